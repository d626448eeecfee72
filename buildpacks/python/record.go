package python

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// record gives the decision for people.
func (d *decision) record() kit.Record {
	r := kit.Record{Summary: d.summary(), Warnings: slices.Clone(d.warnings)}
	for _, c := range d.web {
		r.Starts = append(r.Starts, c.Start)
	}
	if release := d.release(); release != nil {
		r.Starts = append(r.Starts, release.Start)
	}
	r.Facts = d.facts()
	r.Hosts = d.hosts()
	if d.installsAnything() && !d.deps.locked() && len(d.deps.direct) > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s does not say exactly which versions are installed, so another build "+
			"may get others: build with --write-lock and commit the lock file", d.deps.manifest))
	}
	for _, f := range d.deps.ignored {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is not used, because %s is there: remove the one that is out of use", f,
			d.says()))
	}
	if d.deps.reqs != nil {
		for _, bad := range d.deps.reqs.bad {
			r.Warnings = append(r.Warnings, bad+" is no requirement that is understood")
		}
	}
	return r
}

// says names the file that says what is installed.
func (d *decision) says() string {
	if d.deps.lock != "" {
		return d.deps.lock
	}
	return d.deps.manifest
}

func (d *decision) facts() []kit.Fact {
	var facts []kit.Fact
	for _, c := range d.python {
		text := "Python " + c.Value
		if c.Kind == kit.Hint {
			text += " is recommended"
		}
		facts = append(facts, kit.Fact{Topic: "python", Text: text, Source: c.Source})
	}
	if d.deps.reqs != nil && d.deps.reqs.hashed {
		facts = append(facts, kit.Fact{Topic: "lock", Text: fmt.Sprintf("%d packages, all with their hashes",
			len(d.deps.direct)), Source: d.deps.lock})
	} else if d.deps.lock != "" {
		text := fmt.Sprintf("%d packages", d.deps.count())
		if d.deps.manifest != d.deps.lock {
			text += ", in sync with " + d.deps.manifest
		}
		facts = append(facts, kit.Fact{Topic: "lock", Text: text, Source: d.deps.lock})
	} else if d.deps.manifest != "" {
		facts = append(facts, kit.Fact{Topic: "packages", Text: fmt.Sprintf("%d requirements, resolved in the build",
			len(d.deps.direct)), Source: d.deps.manifest})
	}
	if d.project {
		text := "the project itself is installed"
		if d.editable {
			text += ", as a link to its sources"
		}
		facts = append(facts, kit.Fact{Topic: "packages", Text: text, Source: d.py.line("build-system", "build-backend")})
	}
	for _, name := range d.compiled {
		source, _ := d.deps.has(name)
		facts = append(facts, kit.Fact{Topic: "native", Text: name + " is compiled, there is no wheel for it", Source: source})
	}
	if len(d.debs) > 0 {
		facts = append(facts, kit.Fact{Topic: "native", Text: "for that: " + strings.Join(d.debs, ", ")})
	}
	for _, u := range d.unseen() {
		facts = append(facts, kit.Fact{Topic: "native", Text: fmt.Sprintf("%s in the run image: %s %s by its name",
			strings.Join(u.debs, ", "), u.who, u.what), Source: u.source})
	}
	for _, file := range d.src.skipped {
		facts = append(facts, kit.Fact{Topic: "files", Text: "does not parse and is left out of the search", Source: file})
	}
	return append(facts, d.djangoFacts()...)
}

func (d *decision) djangoFacts() []kit.Fact {
	if d.dj == nil {
		return nil
	}
	facts := []kit.Fact{{Topic: "framework", Text: "Django, settings " + d.dj.settings, Source: d.dj.source}}
	switch skip := d.skipsCollect(); {
	case skip != "":
		facts = append(facts, kit.Fact{Topic: "build", Text: "no collectstatic: " + skip})
	default:
		facts = append(facts, kit.Fact{Topic: "build", Text: "manage.py collectstatic", Source: d.dj.staticSource})
	}
	if d.dj.whitenoise {
		facts = append(facts, kit.Fact{Topic: "framework", Text: "WhiteNoise serves the static files"})
	}
	return facts
}

// hosts gives the machines that direct references name.
func (d *decision) hosts() []kit.Host {
	var hosts []kit.Host
	add := func(name, address, source string) {
		u, err := url.Parse(strings.TrimPrefix(address, "git+"))
		if err != nil || u.Hostname() == "" {
			return
		}
		hosts = append(hosts, kit.Host{Name: u.Hostname(), Why: name + " is installed from there", Source: source})
	}
	if d.deps.chosen != nil {
		for _, e := range d.deps.chosen.entries {
			add(e.Name, e.URL, d.deps.lock)
		}
		return hosts
	}
	for _, r := range d.deps.direct {
		add(r.Name, r.URL, r.Source)
	}
	return hosts
}

// summary is the decision in one line.
func (d *decision) summary() string {
	var versions []string
	for _, c := range d.python {
		versions = append(versions, c.String())
	}
	if len(versions) == 0 {
		versions = []string{"any version"}
	}
	s := "Python, " + strings.Join(versions, " and ")
	if says := d.says(); says != "" {
		s += ", " + says
		if d.deps.lock == "" {
			s += " without a lock"
		}
	}
	if c := d.chosen(); c != nil {
		s += "; web starts " + c.Command
	} else if p := d.process(kit.DefaultType); p != nil {
		s += fmt.Sprintf("; web is the %s's", kit.Procfile)
	}
	return s
}
