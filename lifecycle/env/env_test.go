package env

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApply(t *testing.T) {
	cases := []struct {
		name  string
		start string // NAME=value, or "" for unset
		files []File
		bare  Action
		want  string
	}{
		{"bare overrides in a layer", "A=old", []File{{"A", "new"}}, Override, "A=new"},
		{"bare is a default in the build configuration", "A=old", []File{{"A", "new"}}, Default, "A=old"},
		{"bare default, unset", "", []File{{"A", "new"}}, Default, "A=new"},
		{"override", "A=old", []File{{"A.override", "new"}}, Default, "A=new"},
		{"override with nothing", "A=old", []File{{"A.override", ""}}, Override, "A="},
		{"append", "A=old", []File{{"A.append", "new"}}, Override, "A=oldnew"},
		{"append to nothing", "", []File{{"A.append", "new"}, {"A.delim", ":"}}, Override, "A=new"},
		{"append with delimiter", "A=old", []File{{"A.append", "new"}, {"A.delim", ":"}}, Override, "A=old:new"},
		{"prepend", "A=old", []File{{"A.prepend", "new"}}, Override, "A=newold"},
		{"prepend with delimiter", "A=old", []File{{"A.delim", "--"}, {"A.prepend", "new"}}, Override, "A=new--old"},
		{"prepend to nothing", "A=", []File{{"A.delim", ":"}, {"A.prepend", "new"}}, Override, "A=new"},
		{"default", "A=old", []File{{"A.default", "new"}}, Override, "A=old"},
		{"default for empty", "A=", []File{{"A.default", "new"}}, Override, "A=new"},
		{"default for unset", "", []File{{"A.default", "new"}}, Override, "A=new"},
		{"both ends", "A=x", []File{{"A.append", "z"}, {"A.delim", " "}, {"A.prepend", "w"}}, Override, "A=w x z"},
		{"override, then append", "A=x", []File{{"A", "y"}, {"A.append", "z"}}, Override, "A=yz"},
		{"another's delimiter", "A=x", []File{{"A.append", "z"}, {"B.delim", ":"}}, Override, "A=xz"},
		{"unknown suffix", "A=x", []File{{"A.unset", "y"}, {"A.append.bak", "y"}, {"A.", "y"}}, Override, "A=x"},
		{"no name", "A=x", []File{{".gitkeep", ""}, {".append", "y"}}, Override, "A=x"},
		{"bytes as they are", "", []File{{"A", " $B `c` \n"}}, Override, "A= $B `c` \n"},
		{"delimiter alone", "", []File{{"A.delim", ":"}}, Override, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := New([]string{c.start})
			e.Apply(c.files, c.bare)
			if got := strings.Join(e.List(), "|"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestForBuild(t *testing.T) {
	got := ForBuild([]string{"PATH=/bin", "HOME=/root", "LD_LIBRARY_PATH=/l", "LIBRARY_PATH=/l", "CPATH=/i",
		"PKG_CONFIG_PATH=/p", "HTTP_PROXY=p", "https_proxy=p", "no_proxy=n", "HOSTNAME=h", "CNB_STACK_ID=s",
		"SECRET=x", "GOFLAGS=x", "CNB_PLATFORM_API=0.15", "Path=/x", "no pair", "=x"}).List()
	want := []string{"CNB_STACK_ID=s", "CPATH=/i", "HOME=/root", "HOSTNAME=h", "HTTP_PROXY=p", "LD_LIBRARY_PATH=/l",
		"LIBRARY_PATH=/l", "PATH=/bin", "PKG_CONFIG_PATH=/p", "https_proxy=p", "no_proxy=n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestForLaunch(t *testing.T) {
	got := ForLaunch([]string{"PATH=/cnb/process:/cnb/lifecycle:/bin:/cnb/process:/usr/bin", "CNB_LAYERS_DIR=l",
		"CNB_APP_DIR=a", "CNB_PROCESS_TYPE=p", "CNB_PLATFORM_API=0.15", "CNB_DEPRECATION_MODE=q", "CNB_EXEC_ENV=test",
		"A=first", "A=last=1"}, "/cnb/process", "/cnb/lifecycle").List()
	want := []string{"A=last=1", "CNB_EXEC_ENV=test", "PATH=/bin:/usr/bin"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := ForLaunch(nil, "/x").List(); len(got) != 0 {
		t.Errorf("an unset PATH became %q", got)
	}
}

// write makes files by path below a new directory; a path that ends in a slash is a directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestAddBuildLayer(t *testing.T) {
	root := write(t, map[string]string{
		"a/bin/": "", "a/lib/": "", "a/include/": "", "a/pkgconfig/": "", "a/env/X": "1", "a/env.build/X.append": "2",
		"a/env.launch/X": "no", "b/bin/": "", "b/lib": "a file", "b/env/PATH.append": "/tail", "b/env/PATH.delim": ":",
		"b/env/sub/": "",
	})
	e := New([]string{"PATH=/bin", "CPATH=/i"})
	for _, layer := range []string{"a", "b", "missing"} {
		if err := e.AddBuildLayer(filepath.Join(root, layer)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	want := []string{"CPATH=" + a + "/include:/i", "LD_LIBRARY_PATH=" + a + "/lib", "LIBRARY_PATH=" + a + "/lib",
		"PATH=" + b + "/bin:" + a + "/bin:/bin:/tail", "PKG_CONFIG_PATH=" + a + "/pkgconfig", "X=12"}
	if d := cmp.Diff(want, e.List()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAddLaunchLayers(t *testing.T) {
	root := write(t, map[string]string{
		"a/bin/": "", "a/lib/": "", "a/include/": "", "a/env/PATH": "/only", "a/env/X": "1", "a/env.launch/X.append": "2",
		"a/env.launch/web/X.append": "3", "a/env.build/X": "no", "b/bin/": "", "b/env/Y.default": "y",
	})
	layers := []string{filepath.Join(root, "a"), filepath.Join(root, "b")}
	for processType, x := range map[string]string{"": "12", "web": "123", "other": "12"} {
		e := New([]string{"PATH=/bin"})
		if err := e.AddLaunchLayers(layers, processType); err != nil {
			t.Fatal(err)
		}
		// All directories go in before any file is applied, so the override wins over b's bin.
		want := []string{"LD_LIBRARY_PATH=" + layers[0] + "/lib", "PATH=/only", "X=" + x, "Y=y"}
		if d := cmp.Diff(want, e.List()); d != "" {
			t.Errorf("type %q (-want +got):\n%s", processType, d)
		}
	}
}

func TestWithPlatform(t *testing.T) {
	root := write(t, map[string]string{
		"platform/env/PATH": "/user", "platform/env/A": "user", "platform/env/B.append": "user",
		"config/env/A": "operator", "config/env/C": "operator", "config/env/D.override": "operator",
		"config/env/PATH.append": "/operator", "config/env/PATH.delim": ":", "config/env/E": "operator",
	})
	base := New([]string{"PATH=/bin", "A=layer", "D=layer", "E="})
	platform, config := filepath.Join(root, "platform"), filepath.Join(root, "config")
	cases := []struct {
		name             string
		platform, config string
		clear            bool
		want             []string
	}{
		{"both", platform, config, false,
			[]string{"A=user", "B.append=user", "C=operator", "D=operator", "E=operator", "PATH=/user:/bin:/operator"}},
		{"clear-env", platform, config, true,
			[]string{"A=layer", "C=operator", "D=operator", "E=operator", "PATH=/bin:/operator"}},
		{"user", platform, "", false, []string{"A=user", "B.append=user", "D=layer", "E=", "PATH=/user:/bin"}},
		{"missing", root, root, false, []string{"A=layer", "D=layer", "E=", "PATH=/bin"}},
		{"none", "", "", false, []string{"A=layer", "D=layer", "E=", "PATH=/bin"}},
	}
	for _, c := range cases {
		got, err := base.WithPlatform(c.platform, c.config, c.clear)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got.List()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	if base.Get("A") != "layer" {
		t.Error("WithPlatform changed its receiver")
	}
}

func TestReadDir(t *testing.T) {
	root := write(t, map[string]string{"data/A": "1", "dir/..data/": ""})
	link := func(from, to string) {
		if err := os.Symlink(to, filepath.Join(root, "dir", from)); err != nil {
			t.Fatal(err)
		}
	}
	link("A", "../data/A")
	link("B", "../data") // a directory behind a link
	got, err := ReadDir(filepath.Join(root, "dir"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]File{{"A", "1"}}, got); d != "" {
		t.Error(d)
	}
}

func TestReadDirRefuses(t *testing.T) {
	cases := map[string]func(dir string) error{
		"dangling link": func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, "A")) },
		"pipe":          func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "A"), 0o644) },
		"equals sign":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "A=B"), nil, 0o644) },
		"NUL":           func(dir string) error { return os.WriteFile(filepath.Join(dir, "A"), []byte{0}, 0o644) },
		"too large": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "A"), make([]byte, maxValue+1), 0o644)
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(dir); err != nil {
				t.Fatal(err)
			}
			if files, err := ReadDir(dir); err == nil {
				t.Errorf("got %v, want an error", files)
			}
		})
	}
	if _, err := ReadDir(filepath.Join(write(t, map[string]string{"f": ""}), "f")); err == nil {
		t.Error("a file is no directory")
	}
}
