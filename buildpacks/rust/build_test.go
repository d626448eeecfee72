package rust

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

// TestTimes goes through the builds of an app: what is new to the compiler must be newer than what it made.
func TestTimes(t *testing.T) {
	fixed := time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC)
	app := files{"src/main.rs": "a", "src/lib.rs": "a", "assets/x": "a"}.open(t)
	target := t.TempDir()
	build := func() map[string]bool {
		t.Helper()
		touch(t, app, fixed)
		before := time.Now()
		states, err := setTimes(app, target)
		if err != nil {
			t.Fatal(err)
		}
		changed := map[string]bool{}
		for name := range states {
			info, err := app.Root().Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			changed[name] = !info.ModTime().Before(before)
		}
		if err := os.MkdirAll(filepath.Join(target, "release"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := keepStates(target, states); err != nil {
			t.Fatal(err)
		}
		return changed
	}
	write := func(name, text string) {
		t.Helper()
		if err := app.Root().WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func(changed map[string]bool) (list []string) {
		for name, is := range changed {
			if is {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return list
	}
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"first", func() {}, nil},
		{"nothing", func() {}, nil},
		{"edit", func() { write("src/main.rs", "b") }, []string{"src/main.rs"}},
		{"nothing after an edit", func() {}, nil},
		{"back", func() { write("src/main.rs", "a") }, []string{"src/main.rs"}},
		{"new file", func() { write("assets/y", "") }, []string{"assets", "assets/y"}},
		{"through an archive", func() {
			if err := os.Chtimes(filepath.Join(target, statesFile), fixed, fixed); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"failed build", func() {
			if err := os.Remove(filepath.Join(target, statesFile)); err != nil {
				t.Fatal(err)
			}
		}, []string{".", "assets", "assets/x", "assets/y", "src", "src/lib.rs", "src/main.rs"}},
	} {
		step.change()
		if diff := cmp.Diff(step.want, names(build())); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// touch gives all files of an app one time, as sources have it.
func touch(t *testing.T, app *kit.App, when time.Time) {
	t.Helper()
	err := fs.WalkDir(app.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return app.Root().Chtimes(name, when, when)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRemoveSources(t *testing.T) {
	all := files{"Cargo.toml": crate("a"), "Cargo.lock": "", ".cargo/config.toml": "[source.v]\ndirectory = \"third\"\n",
		"src/main.rs": mainFile, "src/page.html": "", "tests/a.rs": "", "third/x/src/lib.rs": "", "third/x/README": "",
		"target/x": "", "static/x.css": "", "Rocket.toml": "", "rust-toolchain": "stable", "templates/a.html": ""}
	for _, c := range []struct {
		name string
		keep []string
		want []string
	}{
		{"rule", nil, []string{"Rocket.toml", "src/page.html", "static/x.css", "templates/a.html"}},
		{"keep", []string{"static", "*.toml"}, []string{".cargo/config.toml", "Cargo.toml", "Rocket.toml", "static/x.css"}},
		{"keep nothing", []string{"-"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(all.open(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.removeSources(c.keep); err != nil {
				t.Fatal(err)
			}
			var got []string
			err = fs.WalkDir(d.app.FS(), ".", func(name string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					got = append(got, name)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if d.app.HasDir("tests") {
				t.Error("an empty directory is left")
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	home, secrets := t.TempDir(), t.TempDir()
	for _, name := range []string{"credentials.toml", ".netrc"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := kit.Env{envIndex: "sparse+https://index.example.com/"}
	undo, err := configure(home, env, libcnb.Bindings{
		{Name: "a", Path: secrets, Type: bindingCargo, Secret: map[string]string{"credentials.toml": "secret"}},
		{Name: "b", Path: secrets, Type: bindingNetrc, Secret: map[string]string{".netrc": "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(home, "config.toml"))
	if err != nil || !strings.Contains(string(text), `index = "sparse+https://index.example.com/"`) {
		t.Errorf("config.toml is %q, %v", text, err)
	}
	if to, err := os.Readlink(filepath.Join(home, "credentials.toml")); err != nil || to != filepath.Join(secrets, "credentials.toml") {
		t.Errorf("credentials.toml leads to %q, %v", to, err)
	}
	if env["HOME"] != home {
		t.Errorf("HOME is %q", env["HOME"])
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestFlagsConfig(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "registry/src/mirror-123"), 0o755); err != nil {
		t.Fatal(err)
	}
	bc := libcnb.BuildContext{ApplicationPath: "/workspace"}
	d := &decision{config: &config{}}
	args := d.flagsConfig(bc, kit.Env{}, home)
	want := []string{"--config", `build.rustflags=["--remap-path-prefix=` + home + `=/cargo","--remap-path-prefix=` + home +
		`/registry/src/mirror-123=/cargo/registry","--remap-path-prefix=/workspace=/app"]`}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Error(diff)
	}
	env := kit.Env{"RUSTFLAGS": "-C target-cpu=x86-64-v2"}
	if args := d.flagsConfig(bc, env, home); args != nil || !strings.HasPrefix(env["RUSTFLAGS"], "-C target-cpu=x86-64-v2 --remap") {
		t.Errorf("got %q, RUSTFLAGS %q", args, env["RUSTFLAGS"])
	}
	if err := parseTOML("c", []byte("[target.'cfg(unix)']\nrustflags = 'x'\n"), d.config); err != nil {
		t.Fatal(err)
	}
	if args := d.flagsConfig(bc, kit.Env{}, home); !strings.HasPrefix(args[1], "target.'cfg(all())'.rustflags=") {
		t.Errorf("got %q", args)
	}
}

func TestMessages(t *testing.T) {
	got := messages("x\n" + `{"reason":"compiler-artifact","target":{"name":"a","kind":["bin"]},"executable":"/t/a","fresh":true}` + "\n")
	if len(got) != 1 || got[0].Executable != "/t/a" || got[0].Target.Name != "a" {
		t.Errorf("got %+v", got)
	}
	packages, err := programs(`{"packages":[{"name":"p","id":"path+file:///p#1.0.0","targets":[{"name":"l","kind":["lib"]},{"name":"b","kind":["bin"]}]}]}`)
	if err != nil || !slices.Equal(packages["p"].Programs, []string{"b"}) || packages["p"].ID != "path+file:///p#1.0.0" {
		t.Errorf("got %v, %v", packages, err)
	}
	if _, err := programs("x"); err == nil {
		t.Error("what is no JSON was taken")
	}
}
