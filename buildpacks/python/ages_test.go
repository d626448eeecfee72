package python

import (
	"strings"
	"testing"

	"s2i/buildpacks/kit"
)

// TestAge prefers the Python that an app's packages are of, where nobody says another.
func TestAge(t *testing.T) {
	project := func(python string) string {
		return "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \"" + python + "\"\ndependencies = [\"numpy==1.26.0\"]\n"
	}
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want string // the last constraint
	}{
		{"pin", files{"requirements.txt": reqs("flask", "numpy==1.26.0")}, nil, "==3.11.* requirements.txt:2"},
		{"bound", files{"requirements.txt": reqs("django<4")}, nil, "==3.11.* requirements.txt:1"},
		{"compatible", files{"requirements.txt": reqs("pandas~=2.1.0")}, nil, "==3.11.* requirements.txt:1"},
		{"new enough", files{"requirements.txt": reqs("numpy==2.1.0", "django>=3", "pandas~=2.1", "scipy", "lxml<6")}, nil, ""},
		{"user", files{"requirements.txt": reqs("numpy==1.26.0")}, kit.Env{envVersion: "3.13"}, "==3.13.* S2I_PYTHON_VERSION"},
		{"file", files{"requirements.txt": reqs("numpy==1.26.0"), ".python-version": "3.13"}, nil, "==3.13.* .python-version:1"},
		{"range", files{"pyproject.toml": project(">=3.9")}, nil, "==3.11.* pyproject.toml:5"},
		{"excluded", files{"pyproject.toml": project(">=3.12")}, nil, ">=3.12 pyproject.toml:4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.app["main.py"] = "print(1)\n"
			d, err := decide(c.app.open(t), c.env, environment{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(d.python) > 0 {
				last := d.python[len(d.python)-1]
				got = last.Value + " " + last.Source
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if older := strings.HasPrefix(c.want, olderPython); older != (len(d.warnings) == 1) || older && minor(d.target.Python) != "3.11" {
				t.Errorf("warnings %q, Python %s", d.warnings, d.target.Python)
			}
		})
	}
}

// TestWheels names the packages that have no wheels for this Python, and the version that would do.
func TestWheels(t *testing.T) {
	wheel := func(name string, tags ...string) *entry {
		e := &entry{Name: name, Version: "1.0", Files: []string{name + "-1.0.tar.gz"}}
		for _, tag := range tags {
			e.Files = append(e.Files, name+"-1.0-"+tag+"-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
		}
		return e
	}
	pure := &entry{Name: "pure", Version: "1.0", Files: []string{"pure-1.0-py3-none-any.whl"}}
	source := &entry{Name: "source", Version: "1.0", Files: []string{"source-1.0.tar.gz"}}
	for _, c := range []struct {
		name    string
		entries []*entry
		env     kit.Env
		want    string
	}{
		{"fine", []*entry{pure, source, wheel("a", "cp39-cp39", "cp313-cp313"), wheel("b", "cp37-abi3")}, nil, ""},
		{"older", []*entry{pure, wheel("a", "cp311-cp311", "cp312-cp312")}, nil,
			"no wheels for Python 3.13: a 1.0 (only for Python 3.11, 3.12); set S2I_PYTHON_VERSION=3.11 "},
		{"too old", []*entry{wheel("a", "cp310-cp310", "cp39-cp39")}, nil,
			"no wheels for Python 3.13: a 1.0 (only for Python 3.9, 3.10); choose versions that have wheels for it"},
		{"no wheel at all", []*entry{{Name: "pandas", Version: "1.4.3", Files: []string{"pandas-1.4.3.tar.gz"}}}, nil,
			"no wheels for Python 3.13: pandas 1.4.3; set S2I_PYTHON_VERSION=3.11 "},
		{"compiled", []*entry{wheel("a", "cp310-cp310")}, kit.Env{kit.EnvBuildPackages: "libfoo-dev"}, ""},
	} {
		d := &decision{env: c.env, target: environment{Python: "3.13.5", Arch: "amd64"},
			deps: &dependencies{chosen: &selection{entries: c.entries}}}
		err := d.checkWheels()
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
