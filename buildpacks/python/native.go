package python

import (
	"slices"
	"strings"
)

// native is what a package needs to be built from its source.
type native struct {
	// debs are the packages of the stack for the build.
	debs []string
	// always tells that there are no wheels for Linux at all.
	always bool
}

// natives are packages that are known to be compiled, and the libraries that they are compiled against. The libraries
// that they need at run time are found in what is built.
func natives() map[string]native {
	return map[string]native{
		// pg_config is a program in Perl.
		"psycopg2":        {[]string{"libpq-dev", "perl-base"}, true},
		"psycopg-c":       {[]string{"libpq-dev", "perl-base"}, true},
		"mysqlclient":     {[]string{"default-libmysqlclient-dev", "pkgconf"}, true},
		"pycairo":         {[]string{"libcairo2-dev", "pkgconf"}, true},
		"pygobject":       {[]string{"libgirepository-2.0-dev", "libcairo2-dev", "pkgconf"}, true},
		"pygraphviz":      {[]string{"libgraphviz-dev", "pkgconf"}, true},
		"python-ldap":     {[]string{"libldap-dev", "libsasl2-dev"}, true},
		"dbus-python":     {[]string{"libdbus-1-dev", "libglib2.0-dev", "pkgconf"}, true},
		"pyaudio":         {[]string{"portaudio19-dev"}, true},
		"uwsgi":           {nil, true},
		"pycups":          {[]string{"libcups2-dev"}, true},
		"gssapi":          {[]string{"libkrb5-dev"}, true},
		"pykerberos":      {[]string{"libkrb5-dev"}, true},
		"pycurl":          {[]string{"libcurl4-openssl-dev", "libssl-dev"}, false},
		"python-systemd":  {[]string{"libsystemd-dev", "pkgconf"}, true},
		"systemd-python":  {[]string{"libsystemd-dev", "pkgconf"}, true},
		"netifaces":       {nil, true},
		"pyodbc":          {[]string{"unixodbc-dev"}, false},
		"lxml":            {[]string{"libxml2-dev", "libxslt1-dev"}, false},
		"xmlsec":          {[]string{"libxmlsec1-dev", "pkgconf"}, false},
		"pillow":          {[]string{"libjpeg-dev", "zlib1g-dev", "libfreetype-dev"}, false},
		"cffi":            {[]string{"libffi-dev"}, false},
		"cryptography":    {[]string{"libssl-dev", "libffi-dev", "rust", "pkgconf"}, false},
		"pyyaml":          {[]string{"libyaml-dev"}, false},
		"h5py":            {[]string{"libhdf5-dev", "pkgconf"}, false},
		"pymssql":         {[]string{"freetds-dev"}, false},
		"python-snappy":   {[]string{"libsnappy-dev"}, false},
		"pyzmq":           {[]string{"libzmq3-dev"}, false},
		"shapely":         {[]string{"libgeos-dev"}, false},
		"fiona":           {[]string{"libgdal-dev"}, false},
		"gdal":            {[]string{"libgdal-dev"}, true},
		"rasterio":        {[]string{"libgdal-dev"}, false},
		"pyproj":          {[]string{"libproj-dev", "proj-bin"}, false},
		"confluent-kafka": {[]string{"librdkafka-dev"}, false},
		"pymupdf":         {nil, false},
	}
}

// toCompile gives the packages that have to be built by a compiler, and what that needs of the stack: those that the lock
// has only sources of that fit, or that are known to come as sources only. Pure Python comes as sources, too: an unknown
// package that is not known to be native is built without a compiler.
func (d *dependencies) toCompile(env environment) (packages, debs []string) {
	known := natives()
	consider := func(name string, files []string) {
		n, ok := known[name]
		if !ok {
			return
		}
		switch {
		case len(files) > 0 && hasWheel(files, env):
			return
		case len(files) == 0 && !n.always:
			return
		}
		packages = append(packages, name)
		debs = append(debs, n.debs...)
	}
	if d.chosen != nil {
		for _, e := range d.chosen.entries {
			consider(e.Name, e.Files)
		}
	} else {
		for _, r := range d.direct {
			if ok, err := env.applies(r.Marker); err == nil && !ok {
				continue
			}
			consider(r.Name, nil)
			if r.Name == "psycopg" && slices.Contains(r.Extras, "c") {
				consider("psycopg-c", nil)
			}
		}
	}
	slices.Sort(debs)
	return packages, slices.Compact(debs)
}

// hasWheel tells whether one of the files is a wheel for the environment (binary distribution format, file names).
func hasWheel(files []string, env environment) bool {
	arch := env.variables()["platform_machine"]
	tag := "cp" + strings.ReplaceAll(minor(env.Python), ".", "")
	for _, f := range files {
		parts := strings.Split(strings.TrimSuffix(f, ".whl"), "-")
		if !strings.HasSuffix(f, ".whl") || len(parts) < 5 {
			continue
		}
		python, abi, platform := parts[len(parts)-3], parts[len(parts)-2], parts[len(parts)-1]
		linux := strings.Contains(platform, "manylinux") || strings.HasPrefix(platform, "linux_")
		if platform != "any" && (!linux || !strings.Contains(platform, arch)) {
			continue
		}
		if strings.Contains(python, "py3") || python == tag && !strings.HasSuffix(abi, "t") ||
			strings.Contains(abi, "abi3") && olderTag(python, tag) {
			return true
		}
	}
	return false
}

// olderTag tells whether a wheel for the stable interface of one version can be used by another.
func olderTag(python, tag string) bool {
	for one := range strings.SplitSeq(python, ".") {
		if strings.HasPrefix(one, "cp3") && (len(one) < len(tag) || len(one) == len(tag) && one <= tag) {
			return true
		}
	}
	return false
}

// wheelsFor gives a version of Python for which the lock has wheels where it has none for the likely one: a lock of old
// that names compiled packages works with the Python of its time.
func (d *dependencies) wheelsFor(likely environment) (python, name string) {
	if d.chosen == nil {
		return "", ""
	}
	older := likely
	older.Python = "3.11.2"
	for _, e := range d.chosen.entries {
		if len(e.Files) > 0 && !hasWheel(e.Files, likely) && hasWheel(e.Files, older) {
			return olderPython, e.Name
		}
	}
	return "", ""
}
