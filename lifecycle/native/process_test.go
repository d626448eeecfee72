package native

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/native/elftest"
	"s2i/lifecycle/store"
)

const testPath = "/layers/bp/venv/bin:/usr/bin:/bin"

func testApp(t *testing.T) App {
	t.Helper()
	dir := t.TempDir()
	linked := func(sonames ...string) string {
		return elfFor(elftest.File{Needed: sonames, Interpreter: glibcLoader})
	}
	plant(t, dir, map[string]string{
		"app/static":        elfFor(elftest.File{}),
		"app/linked":        linked("libc.so.6"),
		"app/own":           linked("libc.so.6", "libown.so.1"),
		"app/unlinked":      linked("libc.so.6", "libnone.so.1"),
		"app/far":           linked("libfar.so.1"),
		"app/driver":        linked("libcuda.so.1"),
		"app/libown.so.1":   elfFor(elftest.File{Soname: "libown.so.1", Needed: []string{"libc.so.6"}}),
		"app/libfar.so.1":   elfFor(elftest.File{Soname: "libfar.so.1", Needed: []string{"libfar2.so"}}),
		"app/arm":           elfFor(elftest.File{Machine: elf.EM_AARCH64}),
		"app/musl":          elfFor(elftest.File{Interpreter: "/lib/ld-musl-x86_64.so.1", Needed: []string{"libc.musl-x86_64.so.1"}}),
		"app/packed":        "\x7fELF, but what follows is a packer's",
		"app/text":          "echo hello",
		"app/empty":         "",
		"app/run.sh":        "#!/bin/sh\nexec x",
		"app/bash.sh":       "#! /bin/bash -e\n",
		"app/crlf.sh":       "#!/bin/sh\r\necho\r\n",
		"app/env.py":        "#!/usr/bin/env python3\n",
		"app/env.rb":        "#!/usr/bin/env ruby\n",
		"app/env-s":         "#!/usr/bin/env -S ruby -w\n",
		"app/loop":          "#!/workspace/loop\n",
		"app/none":          "#!\n",
		"app/relative":      "#!python\n",
		"app/sub/tool":      "#!/bin/sh\n",
		"venv/bin/gunicorn": "#!/layers/bp/venv/bin/python\n",
	})
	if err := os.WriteFile(filepath.Join(dir, "app", "data"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"venv/bin/python": "/usr/bin/python3", "venv/bin/gone": "/usr/bin/python2", "app/up": "../workspace/static",
		"app/circle": "circle", "app/host": "/etc/passwd", "app/tmp": "/tmp/made-later",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := NewScanner("amd64")
	if err := s.Tree(t.Context(), filepath.Join(dir, "app"), "/workspace"); err != nil {
		t.Fatal(err)
	}
	base := Listing{
		"": {Dir: true}, "usr": {Dir: true}, "usr/bin": {Dir: true}, "usr/lib": {Dir: true}, "bin": {Link: "usr/bin"},
		"lib64": {Link: "usr/lib64"}, "usr/lib64": {Dir: true}, "usr/lib64/ld-linux-x86-64.so.2": {Link: "/usr/lib/ld.so"},
		"usr/lib/ld.so": {}, "usr/bin/sh": {Link: "dash"}, "usr/bin/dash": {}, "usr/bin/env": {},
		"usr/bin/python3": {Link: "python3.13"}, "usr/bin/python3.13": {}, "usr/bin/pydoc": {Script: "/usr/bin/python3"},
		"usr/bin/broken": {Script: "/usr/bin/perl -w"},
	}
	return App{
		Places: []Place{{Path: "/workspace", Dir: filepath.Join(dir, "app")},
			{Path: "/layers/bp/venv", Dir: filepath.Join(dir, "venv")}, {Path: "/layers/bp/kept"}},
		Base:      func() Listing { return base },
		Libraries: map[string][]string{"libc.so.6": {"GLIBC_2.34"}},
		Files:     s.Found().Files, AppDir: "/workspace", Arch: "amd64",
	}
}

func TestCheckProcess(t *testing.T) {
	app := testApp(t)
	for _, c := range []struct{ command, dir, want string }{
		{"/workspace/static", "", ""},
		{"./static", "", ""},
		{"./linked", "", ""},
		{"./own", "", ""},
		{"./driver", "", ""},
		{"./up", "", ""},
		{"./packed", "", ""},
		{"./run.sh", "", ""},
		{"./env.py", "", ""},
		{"./env-s", "", ""},
		{"./relative", "", ""},
		{"./tmp", "", ""},
		{"tool", "sub", `no program "tool" in the image's PATH, ` + testPath},
		{"./tool", "sub", ""},
		{"../static", "/workspace/sub", ""},
		{"sh", "", ""},
		{"python3", "", ""},
		{"gunicorn", "", ""},
		{"pydoc", "", ""},
		{"/layers/bp/kept/bin/x", "", ""},
		{"/cnb/process/web", "", ""},
		{"./unlinked", "", "the library libnone.so.1, which /workspace/unlinked needs, is neither in the app nor in the run image"},
		{"./far", "", "the library libfar2.so, which /workspace/libfar.so.1 needs"},
		{"./arm", "", "/workspace/arm is a program for AARCH64, and the image is for amd64"},
		{"./musl", "", "the dynamic linker /lib/ld-musl-x86_64.so.1 of musl"},
		{"./text", "", "neither a program nor a script"},
		{"./empty", "", "/workspace/empty is empty"},
		{"./data", "", "/workspace/data is not executable"},
		{"./bash.sh", "", "/workspace/bash.sh is a script for /bin/bash, and /bin/bash is not in the image"},
		{"./crlf.sh", "", "CR LF"},
		{"./env.rb", "", `/workspace/env.rb is a script for ruby, and there is no program "ruby"`},
		{"./loop", "", "a script without an interpreter"},
		{"./none", "", "a script without an interpreter"},
		{"./circle", "", "/workspace/circle is not in the image"},
		{"./host", "", "/workspace/host is not in the image"},
		{"./missing", "", "/workspace/missing is not in the image"},
		{"./static/x", "", "/workspace/static/x is not in the image"},
		{"./sub", "", "/workspace/sub is a directory"},
		{"gone", "", `no program "gone"`},
		{"ruby", "", `no program "ruby"`},
		{"broken", "", "/usr/bin/perl is not in the image"},
		{"/usr/bin/perl", "", "/usr/bin/perl is not in the image"},
		{"sh", "nowhere", "its working directory /workspace/nowhere is not a directory in the image"},
		{"sh", "/workspace/data", "its working directory /workspace/data is not a directory"},
		{"", "", "it has no command"},
	} {
		s := Start{Path: testPath, Process: lifecycle.Process{Type: "web", Command: []string{c.command}, Direct: true,
			WorkingDir: c.dir, BuildpackID: "bp"}}
		err := CheckProcess(app, s)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.command, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "process web ("+c.command)):
			t.Errorf("%q: got %v, want %q", c.command, err, c.want)
		}
	}
}

// What is not known passes.
func TestCheckUnknown(t *testing.T) {
	app := testApp(t)
	start := func(open bool, path, command string) Start {
		return Start{Path: path, Open: open, Process: lifecycle.Process{Type: "web", Command: []string{command}, Direct: true}}
	}
	pass := map[string]Start{
		"environment made at launch": start(true, testPath, "ruby"),
		"directory of a kept layer":  start(false, testPath+":/layers/bp/kept/bin", "ruby"),
		"directory made at launch":   start(false, "/tmp/bin", "ruby"),
	}
	for name, s := range pass {
		if err := CheckProcess(app, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, shell := range []string{"bash", "./env.rb"} {
		if err := CheckProcess(app, start(true, testPath+":/layers/bp/kept/bin", shell)); (err == nil) != (shell != "bash") {
			t.Errorf("%s, in an environment that is not known: %v", shell, err)
		}
	}
	kept := app
	kept.Places = append(kept.Places, Place{Path: "/layers/bp/known", Known: true, Programs: []string{"rake"}})
	if err := CheckProcess(kept, start(false, "/layers/bp/known/bin", "rake")); err != nil {
		t.Errorf("program of a layer that was taken over: %v", err)
	}
	if err := CheckProcess(kept, start(false, "/layers/bp/known/bin", "ruby")); err == nil {
		t.Error("a program passes that a layer which was taken over does not have")
	}
	kept.Provides = []string{"libnone.so.1"}
	if err := CheckProcess(kept, start(false, "", "./unlinked")); err != nil {
		t.Errorf("library of a layer that was taken over: %v", err)
	}
	app.Base, app.Libraries = func() Listing { return nil }, nil
	for _, command := range []string{"ruby", "/usr/bin/perl", "/workspace/unlinked", "/workspace/bash.sh", "/workspace/host"} {
		if err := CheckProcess(app, start(false, testPath, command)); err != nil {
			t.Errorf("base unknown: %v", err)
		}
	}
	if err := CheckProcess(app, start(false, testPath, "./missing")); err == nil {
		t.Error("a file that the app does not have passes on an unknown base")
	}
	shell := Start{Process: lifecycle.Process{Type: "web", Command: []string{"ruby x"}}}
	if err := CheckProcess(app, shell); err != nil {
		t.Errorf("a shell's process on an unknown base: %v", err)
	}
	app.Base = testApp(t).Base
	if err := CheckProcess(app, shell); err == nil || !strings.Contains(err.Error(), "needs a shell") {
		t.Errorf("a shell's process without a shell: %v", err)
	}
}

func TestList(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layer := func(headers ...tar.Header) v1.Layer {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			body := "#!" + h.Linkname + "\nrest"
			if h.Typeflag == tar.TypeReg && h.Linkname != "" {
				h.Linkname, h.Size = "", int64(len(body))
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Size > 0 {
				if _, err := w.Write([]byte(body)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
	}
	file := func(name, script string, mode int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: script, Mode: mode}
	}
	layers := []v1.Layer{
		layer(tar.Header{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755}, file("./usr/a", "/bin/sh -e", 0o755), file("usr/data", "", 0o644),
			tar.Header{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin"}, file("usr/gone", "", 0o755),
			tar.Header{Typeflag: tar.TypeLink, Name: "usr/b", Linkname: "./usr/a"}, file("usr/old/x", "", 0o755)),
		layer(file("usr/.wh.gone", "", 0o644), file("usr/.wh.old", "", 0o644), file("usr/new", "", 0o755), file("usr/z/.wh..wh..opq", "", 0o644)),
	}
	want := Listing{"": {Dir: true}, "usr": {Dir: true}, "usr/a": {Script: "/bin/sh -e"}, "usr/b": {Script: "/bin/sh -e"},
		"bin": {Link: "usr/bin"}, "usr/new": {}}
	for range 2 { // read, and known
		got, err := List(t.Context(), st, layers)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func FuzzListTar(f *testing.F) {
	f.Add([]byte("usr/"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := listTar(t.Context(), bytes.NewReader(data))
		if err != nil {
			return
		}
		all := Listing{"": {Dir: true}}
		all.cover(found)
		v := view{base: func() Listing { return all }}
		for name := range found {
			v.resolve("/" + name)
		}
	})
}
