package python

import (
	"s2i/buildpacks/kit"
)

// releaseType is the process that prepares a release: it runs before the new version is started, never with it.
const releaseType = "release"

// release gives the process that brings a Django project's database up to date, nil when there is none.
func (d *decision) release() *candidate {
	if d.dj == nil || !d.dj.databases || d.process(releaseType) != nil {
		return nil
	}
	c := &candidate{args: []string{"python", "manage.py", "migrate", "--noinput"}, dir: d.dj.dir}
	c.Start = kit.Start{Type: releaseType, Command: "python manage.py migrate --noinput", Score: 90, Chosen: true,
		Evidence: []string{d.dj.settings + " has DATABASES"}}
	return c
}

// Settings that turn collectstatic off; the second is Heroku's.
const (
	envCollect        = "S2I_DJANGO_COLLECTSTATIC"
	envDisableCollect = "DISABLE_COLLECTSTATIC"
)

// skipsCollect gives the reason for not collecting static files, empty when they are collected.
func (d *decision) skipsCollect() string {
	off := d.env[envDisableCollect]
	switch {
	case d.env[envCollect] == "0":
		return envCollect + " is 0"
	case off != "" && off != "0":
		return envDisableCollect + " is " + off
	case !d.dj.staticRoot:
		return "the settings have no STATIC_ROOT, or django.contrib.staticfiles is not installed"
	}
	return ""
}
