package extend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const from = "ARG base_image\nFROM ${base_image}\n"

func output(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  Kind
		files map[string]string
		want  string // of the error; "" for none
	}{
		"extends":    {Build, map[string]string{"build.Dockerfile": from + "RUN true\n"}, ""},
		"switches":   {Run, map[string]string{"run.Dockerfile": "FROM registry.example.com/run:2\n"}, ""},
		"no arg":     {Run, map[string]string{"run.Dockerfile": "FROM ${base_image}\n"}, "ARG base_image has to stand before"},
		"other arg":  {Run, map[string]string{"run.Dockerfile": "ARG x\nFROM ${x}\n"}, "names ${base_image} or an image"},
		"two stages": {Build, map[string]string{"build.Dockerfile": from + "FROM scratch\n"}, "one FROM"},
		"build from": {Build, map[string]string{"build.Dockerfile": "FROM scratch\n"}, "begins with FROM ${base_image}"},
		"contexts":   {Build, map[string]string{"build.Dockerfile": from, "context/a": "", "context.build/a": ""}, "only one of the kinds"},
		"reserved": {Build, map[string]string{"build.Dockerfile": from,
			"extend-config.toml": "[[build.args]]\nname = \"build_id\"\n"}, "cannot be the name of an argument"},
		"config":  {Build, map[string]string{"build.Dockerfile": from, "extend-config.toml": "build = 1\n"}, "extend-config.toml"},
		"no FROM": {Run, map[string]string{"run.Dockerfile": "RUN true\n"}, "run.Dockerfile"},
	} {
		d, err := Read("test/x", output(t, c.files), "/app", c.kind)
		if c.want == "" && (err != nil || d == nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
	if d, err := Read("test/x", filepath.Join(t.TempDir(), "absent"), "/app", Run); d != nil || err != nil {
		t.Errorf("without a directory: %v, %v", d, err)
	}
	if d, err := Read("test/x", t.TempDir(), "/app", Run); d != nil || err != nil {
		t.Errorf("without a Dockerfile: %v, %v", d, err)
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{"": "/app", "context": "context", "context.run": "context.run", "context.build": "/app"} {
		files := map[string]string{"run.Dockerfile": from}
		if dir != "" {
			files[dir+"/a"] = ""
		}
		root := output(t, files)
		d, err := Read("test/x", root, "/app", Run)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(d.Context, root+"/"); got != want {
			t.Errorf("with %q the context is %s, want %s", dir, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	read := func(text string) *Dockerfile {
		d, err := Read("test/x", output(t, map[string]string{"run.Dockerfile": text}), "/app", Run)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	extends, other, both := read(from+"RUN true\n"), read("FROM example.com/a\n"), read("FROM example.com/b\nRUN true\n")
	for _, c := range []struct {
		all   []*Dockerfile
		image string
		apply int
	}{
		{nil, "", 0},
		{[]*Dockerfile{extends, extends}, "", 2},
		{[]*Dockerfile{extends, other}, "example.com/a", 0},
		{[]*Dockerfile{other, extends}, "example.com/a", 1},
		{[]*Dockerfile{other, both, extends}, "example.com/b", 2},
	} {
		if image, apply := Choose(c.all); image != c.image || len(apply) != c.apply {
			t.Errorf("Choose gives %q and %d, want %q and %d", image, len(apply), c.image, c.apply)
		}
	}
	if got := read(from + "CMD a\nRUN b\n").Unusual(); len(got) != 1 || !strings.Contains(got[0], "run.Dockerfile:3: CMD") {
		t.Errorf("unusual are %q", got)
	}
}
