package apt_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/apt"
)

// index makes an index of paragraphs given as "name version; field: value; …".
func index(t *testing.T, lines ...string) *apt.Index {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		head, fields, _ := strings.Cut(line, ";")
		name, version, ok := strings.Cut(head, " ")
		if !ok {
			version = "1"
		}
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: amd64\nSize: 1\nFilename: pool/%s.deb\nSHA256: %s\n",
			name, version, name, strings.Repeat("0", 64))
		for f := range strings.SplitSeq(fields, ";") {
			if f = strings.TrimSpace(f); f != "" {
				b.WriteString(f + "\n")
			}
		}
		b.WriteString("\n")
	}
	ix := apt.NewIndex("amd64")
	if err := ix.Add(b.String(), "debian"); err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestClosure(t *testing.T) {
	for _, c := range []struct {
		name    string
		index   []string
		roots   string
		present string // "name version, …"
		prefer  string
		exclude string
		want    string
		err     string
	}{
		{name: "transitive", index: []string{"pa;Depends: pb", "pb;Pre-Depends: pc", "pc", "pd"}, roots: "pa", want: "pa pb pc"},
		{name: "cycle", index: []string{"pa;Depends: pb", "pb;Depends: pa"}, roots: "pb", want: "pa pb"},
		{name: "first alternative", index: []string{"pa;Depends: px | pb | pc", "pb", "pc"}, roots: "pa", want: "pa pb"},
		{name: "alternative that is there", index: []string{"pa;Depends: pb | pc", "pb", "pc"}, roots: "pa pc", want: "pa pc"},
		{name: "present meets it", index: []string{"pa;Depends: pb (>= 2)", "pb 3"}, roots: "pa", present: "pb 2", want: "pa"},
		{name: "present is too old", index: []string{"pa;Depends: pb (>= 3)", "pb 3"}, roots: "pa", present: "pb 2",
			err: "resolving pa 1: it depends on pb (>= 3): no such package in the suite (pb 2 is there)"},
		{name: "virtual", index: []string{"pa;Depends: mta", "zmail;Provides: mta", "mail;Provides: mta"}, roots: "pa", want: "mail pa"},
		{name: "virtual by priority", index: []string{"pa;Depends: awk", "gawk;Provides: awk;Priority: optional",
			"mawk;Provides: awk;Priority: required"}, roots: "pa", want: "mawk pa"},
		{name: "real before virtual", index: []string{"pa;Depends: px", "pp;Provides: px", "px"}, roots: "pa", want: "pa px"},
		{name: "versioned provides", index: []string{"pa;Depends: px (>= 2)", "pp;Provides: px", "pq;Provides: px (= 2.1)"}, roots: "pa", want: "pa pq"},
		{name: "unversioned provides do not meet a version", index: []string{"pa;Depends: px (>= 2)", "pp;Provides: px"}, roots: "pa",
			err: "it depends on px (>= 2)"},
		{name: "older version when the newest does not do", index: []string{"pa;Depends: pb (<< 2)", "pb 1", "pb 2"}, roots: "pa", want: "pa pb=1"},
		{name: "newest version", index: []string{"pa;Depends: pb", "pb 1.9", "pb 1.10", "pb 1.10~rc1"}, roots: "pa", want: "pa pb=1.10"},
		{name: "epoch and tilde", index: []string{"pa;Depends: pb (>= 1:0)", "pb 2", "pb 1:0"}, roots: "pa", want: "pa pb=1:0"},
		{name: "preferred version", index: []string{"pa;Depends: pb", "pb 1", "pb 2"}, roots: "pa", prefer: "pb 1", want: "pa pb=1"},
		{name: "any qualifier", index: []string{"pa;Depends: pp:any", "pp;Multi-Arch: allowed"}, roots: "pa", want: "pa pp"},
		{name: "any qualifier of one that does not allow it", index: []string{"pa;Depends: pp:any", "pp"}, roots: "pa", err: "depends on pp"},
		{name: "foreign architecture", index: []string{"pa;Depends: pp:armhf | pq", "pp", "pq"}, roots: "pa", want: "pa pq"},
		{name: "own architecture", index: []string{"pa;Depends: pp:amd64", "pp"}, roots: "pa", want: "pa pp"},
		{name: "excluded", index: []string{"pa;Depends: debconf (>= 1) | debconf-2.0, pb", "pb"}, roots: "pa", exclude: "debconf", want: "pa pb"},
		{name: "root by what it provides", index: []string{"pp;Provides: px"}, roots: "px", want: "pp"},
		{name: "unknown root", index: []string{"pa"}, roots: "px", err: "looking for Debian package px (amd64): no such package"},
		{name: "conflict", index: []string{"pa;Depends: pb;Conflicts: pb", "pb"}, roots: "pa", err: "cannot be installed together with pb 1"},
		{name: "breaks another version", index: []string{"pa;Depends: pb;Breaks: pb (<< 1)", "pb"}, roots: "pa", want: "pa pb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ix := index(t, c.index...)
			got, err := ix.Closure(strings.Fields(c.roots), apt.ClosureOptions{Present: pinned(c.present),
				Prefer: find(ix, c.prefer), Exclude: strings.Fields(c.exclude)})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, names(ix, got)); diff != "" {
				t.Errorf("closure (-want +got):\n%s", diff)
			}
		})
	}
}

func pinned(text string) map[string]*apt.Package {
	m := map[string]*apt.Package{}
	if name, ver, ok := strings.Cut(text, " "); ok {
		m[name] = apt.Pinned(name, ver)
	}
	return m
}

func find(ix *apt.Index, text string) map[string]*apt.Package {
	m := map[string]*apt.Package{}
	if name, ver, ok := strings.Cut(text, " "); ok {
		m[name] = ix.Find(name, ver)
	}
	return m
}

// names gives the names, and the version of a package that is there in several.
func names(ix *apt.Index, list []*apt.Package) string {
	var all []string
	for _, p := range list {
		s := p.Name
		if ix.Lookup(p.Name).Version != "1" {
			s += "=" + p.Version
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestIndexRefuses(t *testing.T) {
	for _, text := range []string{
		"Package: a\nVersion: 1\nArchitecture: all\nSize: x\n",
		"Package: A B\nVersion: 1\nArchitecture: all\nSize: 1\nFilename: p\nSHA256: " + strings.Repeat("0", 64),
		"Package: ab\nVersion: 1\nArchitecture: all\nSize: 1\nFilename: ../p\nSHA256: " + strings.Repeat("0", 64),
		"Package: ab\nVersion: 1\nArchitecture: all\nSize: 1\nFilename: p\nSHA256: 00",
	} {
		if err := apt.NewIndex("amd64").Add(text, "debian"); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"1.0~rc1", "1.0", "1.0-1", "1.0-1+deb13u1", "1.0-2", "1.0.1", "1.10", "1:0.1"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := apt.CompareVersions(a, b), compare(i, j); sign(got) != want {
				t.Errorf("CompareVersions(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func compare(a, b int) int { return sign(a - b) }

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestNoPackage(t *testing.T) {
	_, err := index(t, "pa;Depends: nothing").Closure([]string{"pa"}, apt.ClosureOptions{})
	if !errors.Is(err, apt.ErrNoPackage) {
		t.Errorf("got %v, want ErrNoPackage", err)
	}
}
