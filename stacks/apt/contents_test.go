package apt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseContents(t *testing.T) {
	got, err := parseContents(strings.NewReader(`bin/x                                   shells/x
usr/lib/x86_64-linux-gnu/libpq.so.5                     libs/libpq5
lib/x86_64-linux-gnu/libz.so.1 libs/zlib1g,libs/zlib1g-other
usr/lib/x86_64-linux-gnu/libz.so.1	contrib/libs/zlib1g
usr/lib/x86_64-linux-gnu/private/libx.so.1 libs/x
usr/lib/x86_64-linux-gnu/readme.txt libs/x
usr/lib/aarch64-linux-gnu/libpq.so.5 libs/libpq5-arm64-cross
usr/lib64/ld-linux-x86-64.so.2 libs/libc6
usr/lib/with space.so.1   libs/spaced
usr/lib/none.so.1
usr/lib/bad.so.1 libs/BAD!
`), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	want := Libraries{"libpq.so.5": {"libpq5"}, "libz.so.1": {"zlib1g", "zlib1g-other"}, "with space.so.1": {"spaced"},
		"ld-linux-x86-64.so.2": {"libc6"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzParseContents(f *testing.F) {
	f.Add("usr/lib/x86_64-linux-gnu/libpq.so.5 libs/libpq5,a/b\n")
	f.Add("lib/a.so \t \nusr/lib")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseContents(strings.NewReader(text), "amd64")
		if err != nil {
			return
		}
		for name, packages := range found {
			if name == "" || strings.Contains(name, "/") || len(packages) == 0 {
				t.Errorf("%q: %v", name, packages)
			}
		}
	})
}
