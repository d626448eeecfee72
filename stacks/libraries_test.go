package stacks

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDefines looks into the C library of this machine, which every machine that can run the tests has.
func TestDefines(t *testing.T) {
	files, err := filepath.Glob("/lib/*-linux-gnu/libc.so.6")
	if err != nil || len(files) == 0 {
		t.Fatalf("no C library found (%v): these tests run on Debian", err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	soname, versions, ok := defines(bytes.NewReader(data))
	if !ok || soname != "libc.so.6" || !slices.Contains(versions, "GLIBC_2.17") || slices.Contains(versions, "libc.so.6") {
		t.Errorf("%s defines %v", soname, versions)
	}
	for _, other := range []string{"", "INPUT(-lc)", "\x7fELF", string(data[:64])} {
		if soname, _, _ := defines(strings.NewReader(other)); soname != "" {
			t.Errorf("%.10q is taken for the library %s", other, soname)
		}
	}
}
