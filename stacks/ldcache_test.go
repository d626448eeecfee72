package stacks

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// manyLibraries are libraries as packages have them: with and without links, in directories of their own, and what only looks
// like a library.
func manyLibraries() *layerLibraries {
	const dir = "usr/lib/x86_64-linux-gnu/"
	f := newLibraries()
	f.Files = map[string]library{
		dir + "libpq.so.5":                {Link: "libpq.so.5.17"},
		dir + "libpq.so.5.17":             {Soname: "libpq.so.5"},
		dir + "libpq.so":                  {Link: "libpq.so.5"},
		dir + "libm.so.6":                 {Soname: "libm.so.6"},
		dir + "libx.so.10":                {Soname: "libx.so.10"},
		dir + "libx.so.9":                 {Soname: "libx.so.9"},
		dir + "libplain.so":               {},
		dir + "libgone.so.1":              {Link: "libgone.so.1.0"},
		dir + "libloop.so.1":              {Link: "libloop.so.1"},
		dir + "blas/libblas.so.3":         {Soname: "libblas.so.3"},
		dir + "perl/auto/x.so":            {Soname: "x.so"},
		"usr/lib/libabs.so.1":             {Link: "/lib/x86_64-linux-gnu/libm.so.6"},
		"usr/lib64/ld-linux-x86.so.2":     {Link: "../lib/x86_64-linux-gnu/ld-linux-x86.so.2"},
		dir + "ld-linux-x86.so.2":         {Soname: "ld-linux-x86.so.2"},
		"usr/lib/python3/_ssl.cpython.so": {},
	}
	return f
}

func TestLoadable(t *testing.T) {
	f := manyLibraries()
	names := func() (names []string, apart bool) {
		list, apart := f.loadable("amd64")
		for _, l := range list {
			names = append(names, l.name+" "+l.path)
		}
		return names, apart
	}
	const dir = "/lib/x86_64-linux-gnu/"
	want := []string{"libx.so.10 " + dir + "libx.so.10", "libx.so.9 " + dir + "libx.so.9", "libpq.so.5 " + dir + "libpq.so.5",
		"libpq.so " + dir + "libpq.so", "libplain.so " + dir + "libplain.so", "libm.so.6 " + dir + "libm.so.6",
		"ld-linux-x86.so.2 " + dir + "ld-linux-x86.so.2"}
	got, apart := names()
	if diff := cmp.Diff(want, got); diff != "" || apart {
		t.Errorf("apart: %v; (-want +got):\n%s", apart, diff)
	}
	f.Dirs["etc/ld.so.conf.d/blas.conf"] = []string{dir + "blas", "/usr/local/lib"}
	want = append(want, "libblas.so.3 "+dir+"blas/libblas.so.3")
	got, apart = names()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || !apart {
		t.Errorf("with a directory of its own: apart %v (-want +got):\n%s", apart, diff)
	}
}

// TestCacheForm lets the ldconfig of the machine, which runs on Debian, read what is written.
func TestCacheForm(t *testing.T) {
	list, _ := manyLibraries().loadable("amd64")
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, encodeCache(list, "amd64"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/sbin/ldconfig", "-p", "-C", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got, want []string
	for line := range strings.Lines(string(out)) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " (libc6,x86-64) => "); ok {
			got = append(got, name+" "+rest)
		}
	}
	for _, l := range list {
		want = append(want, l.name+" "+l.path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, out)
	}
	arm := encodeCache(list, "arm64")
	if flags := binary.LittleEndian.Uint32(arm[ldHeader:]); flags != 0x0a03 {
		t.Errorf("flags of arm64: %#x", flags)
	}
}

func TestCompareLibraries(t *testing.T) {
	for _, pair := range [][2]string{{"liba.so.9", "liba.so.10"}, {"liba.so", "liba.so.1"}, {"liba.so", "liba1.so"}, {"liba", "libb"},
		{"lib.so.1", "lib.so.1.1"}} {
		if compareLibraries(pair[0], pair[1]) >= 0 || compareLibraries(pair[1], pair[0]) <= 0 {
			t.Errorf("%s does not come before %s", pair[0], pair[1])
		}
	}
}
