package native

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/lifecycle/native/elftest"
)

const glibcLoader = "/lib64/ld-linux-x86-64.so.2"

// plant writes files, all of them executable.
func plant(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func elfFor(f elftest.File) string { return string(elftest.Build(f)) }

func TestScanner(t *testing.T) {
	dir := t.TempDir()
	needs := func(sonames ...string) elftest.File { return elftest.File{Needed: sonames} }
	plant(t, dir, map[string]string{
		"bin/server":       elfFor(elftest.File{Needed: []string{"libc.so.6@GLIBC_2.34", "libpq.so.5"}, Interpreter: glibcLoader}),
		"lib/libown.so.1":  elfFor(elftest.File{Needed: []string{"libc.so.6"}, Soname: "libown.so.1"}),
		"arm.node":         elfFor(elftest.File{Machine: elf.EM_AARCH64, Needed: []string{"libx.so.1"}}),
		"bsd.node":         elfFor(elftest.File{OSABI: elf.ELFOSABI_FREEBSD, Needed: []string{"libx.so.1"}}),
		"bsd2.node":        elfFor(needs("libc.so.7", "libx.so.1")),
		"musl.node":        elfFor(needs("libc.musl-x86_64.so.1", "libx.so.1")),
		"android.node":     elfFor(needs("libc.so", "libx.so.1")),
		"musl":             elfFor(elftest.File{Needed: []string{"libx.so.1"}, Interpreter: "/lib/ld-musl-x86_64.so.1"}),
		"lib/libjsound.so": elfFor(needs("libasound.so.2")),
		"env/PATH.append":  "/x",
		"script":           "#!/bin/sh\n# this is longer than the header of an ELF file and still none at all\n",
		"cut.so":           elfFor(needs("libx.so.1"))[:70],
	})
	s := NewScanner("amd64")
	if err := s.Tree(context.Background(), dir, "/layers/a/b"); err != nil {
		t.Fatal(err)
	}
	want := Found{
		Needs: lifecycle.LayerNeeds{
			Libraries:    map[string][]string{"libc.so.6": {"GLIBC_2.34"}, "libpq.so.5": {}},
			Interpreters: []string{glibcLoader}, Provides: []string{"libown.so.1"},
			Programs: []string{"server"}, Environment: true,
		},
		Files: []File{
			{Path: "/layers/a/b/bin/server", Interpreter: glibcLoader, Needed: []string{"libc.so.6", "libpq.so.5"}},
			{Path: "/layers/a/b/lib/libown.so.1", Soname: "libown.so.1", Needed: []string{"libc.so.6"}},
		},
	}
	if d := cmp.Diff(want, s.Found()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzExecutable(f *testing.F) {
	f.Add(elftest.Build(elftest.File{Needed: []string{"libc.so.6"}, Soname: "libx.so", Interpreter: glibcLoader}))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		s := NewScanner("amd64")
		s.executable("x.so", bytes.NewReader(data))
		s.Found()
	})
}
