package python

import (
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// olderPython is what an app gets whose packages are older than the newest Python of the stacks.
const olderPython = "==3.11.*"

// floors are the first versions of well-known packages that work with Python 3.13: older ones have no wheels for it and
// do not compile, or use what it no longer has (the modules cgi, imghdr and telnetlib, internals of dataclasses and typing).
func floors() map[string]string {
	return map[string]string{
		"aiohttp": "3.10.6", "asyncpg": "0.30", "bottleneck": "1.4.1", "cffi": "1.17.1", "django": "4.2", "eventlet": "0.37",
		"feedparser": "6.0.11", "gevent": "24.10.1", "greenlet": "3.1", "grpcio": "1.66.2", "h5py": "3.12", "httptools": "0.6.2",
		"lxml": "5.3", "markupsafe": "3", "matplotlib": "3.9.2", "numpy": "2.1", "orjson": "3.10.7", "pandas": "2.2.3",
		"pillow": "10.4", "psycopg-binary": "3.2.3", "psycopg2": "2.9.10", "psycopg2-binary": "2.9.10", "pyarrow": "18",
		"pydantic-core": "2.20", "pyyaml": "6.0.2", "regex": "2024.9.11", "scikit-learn": "1.5.2", "scipy": "1.14.1",
		"shapely": "2.0.6", "spacy": "3.8.3", "sqlalchemy": "2.0.31", "strawberry-graphql": "0.236", "tokenizers": "0.20.3",
		"tweepy": "4.15", "uvloop": "0.21", "webob": "1.8.8",
	}
}

// tooOld finds a package that the lock names, or that the app demands, in a version that is older than the newest Python.
func (d *dependencies) tooOld() (what, source string) {
	known := floors()
	if d.chosen != nil {
		for _, e := range d.chosen.entries {
			v, err := parseVersion(e.Version)
			floor, errFloor := parseVersion(known[e.Name])
			if err == nil && errFloor == nil && v.compare(floor) < 0 {
				return e.Name + " " + e.Version, d.lock
			}
		}
		return "", ""
	}
	for _, r := range d.direct {
		spec, err := parseSpecifier(r.Specifier)
		floor, errFloor := parseVersion(known[r.Name])
		if err == nil && errFloor == nil && len(spec) > 0 && spec.below(floor) {
			return r.Name + " " + r.Specifier, r.Source
		}
	}
	return "", ""
}

// below tells whether a specifier leaves no version from floor on.
func (s specifier) below(floor version) bool {
	return slices.ContainsFunc(s, func(c clause) bool {
		switch c.op {
		case "==", "===", "~=", "<=":
			return c.v.compare(floor) < 0 && !c.has(floor)
		case "<":
			return c.v.compare(floor) <= 0
		}
		return false
	})
}

// followAge adds a hint to an older Python when a package is of its time, and nothing else is said.
func (d *decision) followAge() error {
	what, source := d.deps.tooOld()
	if what == "" || !d.free() {
		return nil
	}
	name, _, _ := strings.Cut(what, " ")
	if d.deps.chosen != nil {
		data, err := d.app.Read(d.deps.lock)
		if err != nil {
			return err
		}
		source = fmt.Sprintf("%s:%d", d.deps.lock, max(1, textLine(data, `name = "`+name+`"`, 1)))
	}
	return d.preferOlder(source, fmt.Sprintf("%s (%s) is older than Python 3.13 and does not work with it: %s %s does",
		what, source, name, floors()[name]))
}

// free tells whether only ranges, or nothing, say which Python it is.
func (d *decision) free() bool {
	return !slices.ContainsFunc(d.python, func(c kit.Constraint) bool { return c.Kind != kit.Range })
}

// preferOlder adds the hint, unless the project excludes it.
func (d *decision) preferOlder(source, warning string) error {
	likely := likelyPython(append(slices.Clone(d.python), kit.Constraint{Value: olderPython}))
	if minor(likely) == minor(d.target.Python) {
		return nil
	}
	d.python = append(d.python, kit.Constraint{Value: olderPython, Source: source, Kind: kit.Hint})
	d.warnings = append(d.warnings, warning)
	if d.building {
		return nil
	}
	d.target.Python = likely
	return d.deps.resolve(d.target)
}

// WheelError says that packages have wheels for other versions of Python only.
type WheelError struct {
	Packages []string // "numpy 1.26.0 (Python 3.9 to 3.12)"
	Python   string   // the version that is used
	Older    bool     // whether the older Python of the stacks would do
}

// Error names the packages and the way out.
func (e *WheelError) Error() string {
	way := fmt.Sprintf("choose versions that have wheels for it, or let them be compiled: %s=\"libfoo-dev …\" names what they need "+
		"and brings the compiler", kit.EnvBuildPackages)
	if e.Older {
		way = fmt.Sprintf("set %s=3.11 (or write 3.11 into .python-version), or choose newer versions", envVersion)
	}
	return fmt.Sprintf("no wheels for Python %s: %s; %s", e.Python, strings.Join(e.Packages, ", "), way)
}

// checkWheels fails when packages that were resolved have wheels, but none for this Python, and there is no compiler for
// them: it would be missed a minute later, with less to say.
func (d *decision) checkWheels() error {
	if len(d.compiled) > 0 || d.env[kit.EnvBuildPackages] != "" || d.deps.chosen == nil {
		return nil
	}
	older := d.target
	older.Python = "3.11.2"
	e := &WheelError{Python: minor(d.target.Python), Older: minor(d.target.Python) != minor(older.Python)}
	native, dated := natives(), floors()
	for _, p := range d.deps.chosen.entries {
		if len(p.Files) == 0 || hasWheel(p.Files, d.target) {
			continue
		}
		what := p.Name + " " + p.Version
		// A resolution leaves out the wheels for older versions of Python.
		if versions := wheelVersions(p.Files); len(versions) > 0 {
			what += " (only for Python " + strings.Join(versions, ", ") + ")"
			e.Older = e.Older && hasWheel(p.Files, older)
		} else if _, known := native[p.Name]; !known && dated[p.Name] == "" {
			continue // it may be pure Python
		}
		e.Packages = append(e.Packages, what)
	}
	if len(e.Packages) == 0 {
		return nil
	}
	return e
}

// wheelVersions lists the versions of Python that wheels for Linux are made for.
func wheelVersions(files []string) []string {
	var list []version
	for _, f := range files {
		parts := strings.Split(strings.TrimSuffix(f, ".whl"), "-")
		if !strings.HasSuffix(f, ".whl") || len(parts) < 5 || !strings.Contains(f, "linux") {
			continue
		}
		rest, ok := strings.CutPrefix(parts[len(parts)-3], "cp3")
		v, err := parseVersion("3." + rest)
		if ok && rest != "" && err == nil && !slices.ContainsFunc(list, func(o version) bool { return o.compare(v) == 0 }) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, version.compare)
	var names []string
	for _, v := range list {
		names = append(names, fmt.Sprintf("%d.%d", v.release[0], v.release[1]))
	}
	return names
}
