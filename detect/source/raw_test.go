package source

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestQueryReferences(t *testing.T) {
	const at = "https://example.com/app.git"
	for ref, want := range map[string]Ref{
		"?ref=v1&subdir=docs":              {Revision: "v1", Subdir: "docs"},
		"?tag=v1":                          {Revision: "refs/tags/v1"},
		"?branch=refs/heads/x":             {Revision: "refs/heads/x"},
		"?checksum=0123456789":             {Commit: "0123456789"},
		"?ref=v1&commit=0123456#v1:docs":   {Revision: "v1", Subdir: "docs", Commit: "0123456"},
		"?keep-git-dir&submodules=false":   {KeepGit: true, NoSubmodules: true},
		"?keep-git-dir=0&submodules=1":     {},
		"?mtime=commit&fetch-by-commit=1":  {},
		"#v1:docs":                         {Revision: "v1", Subdir: "docs"},
		"?subdir=docs&keep-git-dir=true#x": {Revision: "x", Subdir: "docs", KeepGit: true},
	} {
		want.Kind, want.Location = Git, at
		got, err := ParseRef(at + ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", ref, diff)
		}
	}
	for ref, want := range map[string]string{
		"?ref=v1&frob=1": "frob", "?ref=a&ref=b": "twice", "?ref=a#b": "two revisions", "?subdir=../x": "leads out",
		"?subdir=a#x:b": "two directories", "?checksum=xyz": "no commit", "?keep-git-dir=2": "neither true nor false", "?ref=": "empty",
	} {
		if r, err := ParseRef(at + ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want an error with %q", ref, r, err, want)
		}
	}
	if r, err := ParseRef(at + "?token=1"); err != nil || r.Location != at+"?token=1" {
		t.Errorf("a server's own query: got %v, %v", r, err)
	}
}

func TestKeepGit(t *testing.T) {
	git := needGit(t)
	dir, first, second := repository(t)
	var packs []string
	for range 2 {
		tree, err := Open(t.Context(), "file://"+dir+"?keep-git-dir=1&checksum="+second.String()[:12], Options{Raw: true, TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		run := func(args ...string) string {
			cmd := exec.CommandContext(t.Context(), git, append([]string{"-C", tree.Dir, "-c", "safe.directory=*"}, args...)...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, out)
			}
			return strings.TrimSpace(string(out))
		}
		if got := run("rev-parse", "HEAD"); got != second.String() {
			t.Errorf("HEAD is %s, want %s", got, second)
		}
		if got := run("status", "--porcelain"); got != "" {
			t.Errorf("git status says:\n%s", got)
		}
		run("fsck", "--strict")
		if got := run("rev-list", "--count", "HEAD"); got != "1" {
			t.Errorf("there are %s commits, want 1", got)
		}
		found, err := filepath.Glob(filepath.Join(tree.Dir, ".git/objects/pack/*.pack"))
		if err != nil || len(found) != 1 {
			t.Fatalf("packs: %v, %v", found, err)
		}
		packs = append(packs, filepath.Base(found[0]))
	}
	if packs[0] != packs[1] {
		t.Errorf("the same commit gave %v", packs)
	}
	_, err := Open(t.Context(), "file://"+dir+"?ref=main&checksum="+first.String(), Options{Raw: true, TempDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "is at commit "+second.String()) {
		t.Errorf("another commit: got %v", err)
	}
}

// A raw tree is what the archive holds: modes, an only directory at the top, ignore files, links out of it.
func TestRaw(t *testing.T) {
	data := oneFileTar(t, "top/.s2iignore", "*\n")
	if got := openRaw(t, "-", "top/.s2iignore", Options{Stdin: bytes.NewReader(data)}); got != "*\n" {
		t.Errorf("got %q", got)
	}
	tree, err := Open(t.Context(), "-", Options{Raw: true, TempDir: t.TempDir(), Stdin: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	info, err := os.Stat(filepath.Join(tree.Dir, "top/.s2iignore"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v, want mode 0640", info.Mode(), err)
	}
}

func TestLone(t *testing.T) {
	const text = "FROM scratch\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "info/refs") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	for _, ref := range []string{"-", server.URL + "/some/file"} {
		o := Options{Lone: "Dockerfile", Stdin: strings.NewReader(text), Getenv: environment(nil)}
		if got := openRaw(t, ref, "Dockerfile", o); got != text {
			t.Errorf("%s: got %q", ref, got)
		}
	}
	for _, data := range []string{"\x00\x01\x02", "FROM \xff\xff\xff scratch and more", strings.Repeat("x", maxRulesFile+1)} {
		if _, err := Open(t.Context(), "-", Options{Raw: true, Lone: "Dockerfile", TempDir: t.TempDir(), Stdin: strings.NewReader(data)}); err == nil {
			t.Errorf("%.20q: no error", data)
		}
	}
}

func TestEnvironmentLogin(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want login
	}{
		{map[string]string{"GIT_TOKEN": "t"}, login{user: "x-access-token", password: "t"}},
		{map[string]string{"GIT_USERNAME": "u", "GIT_PASSWORD": "p"}, login{user: "u", password: "p"}},
		{map[string]string{"GIT_AUTH_TOKEN": "a", "GIT_AUTH_TOKEN.example.com": "b", "GIT_TOKEN": "t"}, login{user: "x-access-token", password: "b"}},
		{map[string]string{"GIT_AUTH_TOKEN": "a", "GIT_AUTH_HEADER": "Bearer h"}, login{header: "Bearer h"}},
		{map[string]string{"GIT_AUTH_TOKEN.example.com": "a", "GIT_AUTH_HEADER": "Bearer h"}, login{user: "x-access-token", password: "a"}},
		{map[string]string{"GIT_AUTH_TOKEN.example.com": "a", "GIT_AUTH_HEADER.example.com": "Bearer h"}, login{header: "Bearer h"}},
		{map[string]string{"S2I_GIT_PASSWORD": "s", "GIT_AUTH_TOKEN": "a"}, login{password: "s"}},
	} {
		if got := environmentLogin(environment(c.env), "example.com"); got == nil || *got != c.want {
			t.Errorf("%v: got %v", c.env, got)
		}
	}
	if got := environmentLogin(environment(nil), "example.com"); got != nil {
		t.Error("got a login from nothing")
	}
}
