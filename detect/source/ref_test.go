package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRef(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for s, want := range map[string]Ref{
		"":                                    {Kind: Local, Location: "."},
		".":                                   {Kind: Local, Location: "."},
		"./a#b":                               {Kind: Local, Location: "./a#b"},
		"host:path":                           {Kind: Local, Location: "host:path"},
		"-":                                   {Kind: Stdin},
		"-#:sub/":                             {Kind: Stdin, Subdir: "sub"},
		"-#sha256=" + sum:                     {Kind: Stdin, SHA256: sum},
		"https://example.com/a.git":           {Kind: Git, Location: "https://example.com/a.git"},
		"https://example.com/a.git#v1:b/./c/": {Kind: Git, Location: "https://example.com/a.git", Revision: "v1", Subdir: "b/c"},
		"https://example.com/a.git#:b":        {Kind: Git, Location: "https://example.com/a.git", Subdir: "b"},
		"https://example.com/a.git#:.":        {Kind: Git, Location: "https://example.com/a.git"},
		"git+https://example.com/a?x=1#y":     {Kind: Git, Location: "https://example.com/a?x=1", Revision: "y"},
		"ssh://git@example.com:22/a":          {Kind: Git, Location: "ssh://git@example.com:22/a"},
		"git@example.com:team/app.git#main":   {Kind: Git, Location: "git@example.com:team/app.git", Revision: "main"},
		"github.com/team/app#v1:a":            {Kind: Git, Location: "https://github.com/team/app", Revision: "v1", Subdir: "a"},
		"git@[::1]:app":                       {Kind: Git, Location: "git@[::1]:app"},
		"file:///srv/a.git#x":                 {Kind: Git, Location: "file:///srv/a.git", Revision: "x"},
		"https://example.com/a":               {Kind: URL, Location: "https://example.com/a"},
		"https://example.com/a#main":          {Kind: URL, Location: "https://example.com/a", Revision: "main"},
		"https://example.com/a.tar.gz":        {Kind: Archive, Location: "https://example.com/a.tar.gz"},
		"https://example.com/a.ZIP?t=1#:s":    {Kind: Archive, Location: "https://example.com/a.ZIP?t=1", Subdir: "s"},
		"https://example.com/a?ref=main":      {Kind: Archive, Location: "https://example.com/a?ref=main"},
		"https://example.com/a#sha256=" + strings.ToUpper(sum) + ":s": {
			Kind: Archive, Location: "https://example.com/a", SHA256: sum, Subdir: "s"},
	} {
		got, err := ParseRef(s)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%q: %v %s", s, err, d)
		}
	}
	for s, want := range map[string]string{
		"ftp://example.com/a":                  "the scheme \"ftp\"",
		"https://":                             "no valid URL",
		"git+ftp://example.com/a":              "git over \"ftp\"",
		"ssh:///a":                             "no host",
		"file://host/a":                        "absolute path",
		"https://example.com/a.git#x:../../y":  "leads out",
		"https://example.com/a.git#-x":         "no branch",
		"https://example.com/a.zip#main":       "an archive has no branch",
		"https://example.com/a#sha256=12":      "64 hexadecimal",
		"https://u:s3cret@example.com:x/a.git": "no valid URL",
		"a\nb":                                 "control character",
	} {
		_, err := ParseRef(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: error %v, want %q in it", s, err, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for s, want := range map[string]string{
		"https://user:s3cret@example.com/a.git#v1": "https://example.com/a.git#v1",
		"https://s3cret@example.com:8443/a":        "https://example.com:8443/a",
		"https://example.com/a?token=s3cret":       "https://example.com/a?…",
		"https://u:s3/cret@example.com/a":          "https://example.com/a",
		"https://u:s3#cret@example.com/a":          "https://example.com/a",
		"https://example.com/@scope/a":             "https://example.com/@scope/a",
		"ssh://git@example.com/a":                  "ssh://git@example.com/a",
		"ssh://git:s3cret@example.com/a":           "ssh://example.com/a",
		"git@example.com:a":                        "git@example.com:a",
		"./a":                                      "./a",
	} {
		if got := Redact(s); got != want {
			t.Errorf("Redact(%q) is %q, want %q", s, got, want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"-#:a", "git@h:p#r:s", "https://u:p@h/a.git#r", "file:///x#:../", "git+ssh://h/a", "a#b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil || r.Kind == Local {
			return
		}
		if strings.HasPrefix(r.Subdir, "/") || r.Subdir == ".." || strings.HasPrefix(r.Subdir, "../") {
			t.Errorf("%q: subdirectory %q", s, r.Subdir)
		}
		_ = r.String()
	})
}
