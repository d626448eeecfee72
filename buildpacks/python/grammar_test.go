package python

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersionOrder(t *testing.T) {
	order := []string{"1.dev0", "1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12", "1.0b2", "1.0rc1", "1.0", "1.0.post456",
		"1.1.dev1", "1.1", "2!0.5"}
	for i := range order {
		for j := range order {
			a, errA := parseVersion(order[i])
			b, errB := parseVersion(order[j])
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if i == 0 && j == 1 || i == 1 && j == 0 {
				continue
			}
			if got := a.compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s against %s: %d", order[i], order[j], got)
			}
		}
	}
	for _, bad := range []string{"", "x", "1.x", "1..2", "^1"} {
		if _, err := parseVersion(bad); err == nil {
			t.Errorf("%q is a version", bad)
		}
	}
}

func TestSpecifier(t *testing.T) {
	for _, c := range []struct {
		spec, version string
		want          bool
	}{
		{"", "3.13.5", true}, {">=3.9", "3.13.5", true}, {">=3.9,<3.13", "3.13.5", false}, {"~=3.11", "3.13.5", true},
		{"~=3.11.0", "3.13.5", false}, {"==3.13.*", "3.13.5", true}, {"!=3.13.*", "3.13.5", false}, {"3.11", "3.11.0", true},
		{"==1.0", "1.0+cpu", true}, {"==1.0+cpu", "1.0", false}, {">=99999999999999999999", "3", false},
	} {
		s, err := parseSpecifier(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.has(v); got != c.want {
			t.Errorf("%q has %s: %t", c.spec, c.version, got)
		}
	}
}

func TestFromPoetry(t *testing.T) {
	for in, want := range map[string]string{
		"^3.11": ">=3.11,<4", "^0.2.3": ">=0.2.3,<0.3", "~1.2.3": ">=1.2.3,<1.3", "~1": ">=1,<2", "*": "", "1.2": "==1.2",
		"1.2.*": "==1.2.*", ">=1.2,<2": ">=1.2,<2", ">= 1.2 <2": ">=1.2,<2", "~=1.4": "~=1.4",
	} {
		got, err := fromPoetry(in)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := fromPoetry("^1 || ^2"); err == nil {
		t.Error("alternatives were accepted")
	}
}

func TestMarker(t *testing.T) {
	env := environment{Python: "3.13.5", Arch: "amd64", Extras: []string{"web-ui"}, Groups: []string{"prod"}}
	for marker, want := range map[string]bool{
		"":                         true,
		"python_version >= '3.9'":  true,
		"python_version < \"3.9\"": false,
		"'3.9' <= python_version":  true,
		"'3.9' > python_version":   false,
		"python_full_version == '3.13.*' and sys_platform != 'win32'":                    true,
		"sys_platform == 'win32' or (platform_machine == 'x86_64' and os_name=='posix')": true,
		"extra == 'web_ui'": true, "extra == 'x'": false, "'web-ui' in extras": true, "'dev' in dependency_groups": false,
		"python_version in '3.12, 3.13'": true, "python_version not in '3.12 3.13'": false,
		"os.name == 'posix'": true, "platform_python_implementation != 'PyPy'": true,
	} {
		got, err := env.applies(marker)
		if err != nil || got != want {
			t.Errorf("%q: got %t, %v", marker, got, err)
		}
	}
	for _, bad := range []string{"x", "x == 'y'", "python_version >=", "(python_version >= '3'", "'a' b 'c'", "os_name == 'x' os_name"} {
		if _, err := env.applies(bad); err == nil {
			t.Errorf("%q is a marker", bad)
		}
	}
}

func TestRequirement(t *testing.T) {
	for text, want := range map[string]requirement{
		"Flask":                                 {Name: "flask"},
		"uvicorn[standard, foo_bar]>=1":         {Name: "uvicorn", Extras: []string{"standard", "foo-bar"}, Specifier: ">=1"},
		"a.b_c (>=1,<2) ; python_version < '3'": {Name: "a-b-c", Specifier: ">=1,<2", Marker: "python_version < '3'"},
		"x @ https://example.com/x.whl ; os_name == 'posix'": {Name: "x", URL: "https://example.com/x.whl",
			Marker: "os_name == 'posix'"},
	} {
		got, err := parseRequirement(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, bad := range []string{"", "-r x", "./dir", "flask==", "flask=>1"} {
		if got, err := parseRequirement(bad); err == nil {
			t.Errorf("%q is a requirement: %+v", bad, got)
		}
	}
}

func FuzzMarker(f *testing.F) {
	f.Add("python_version >= '3.9' and (extra == 'x' or 'y' in extras)")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = environment{Python: "3.13.5"}.applies(text)
	})
}

func FuzzRequirement(f *testing.F) {
	f.Add("uvicorn[standard]>=1,<2; python_version < '3'")
	f.Add("x @ git+https://example.com/x.git@main")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseRequirement(text)
		_, _ = fromPoetry(text)
	})
}
