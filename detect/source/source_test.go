package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/archive"
)

// put writes files below dir. A name that ends in "/" is a directory, content that starts with "-> " a link, and with
// "#!" an executable file.
func put(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasPrefix(content, "#!"):
			err = os.WriteFile(path, []byte(content), 0o755)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, ref string, o Options) *Tree {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	tree, err := Open(t.Context(), ref, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func digest(t testing.TB, tree *Tree) string {
	t.Helper()
	d, err := tree.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func paths(tree *Tree) (out []string) {
	for _, e := range tree.Entries {
		out = append(out, e.Path)
	}
	return out
}

var app = map[string]string{
	"go.mod":         "module app\n",
	"main.go":        "package main\n",
	"run.sh":         "#!/bin/sh\n",
	"link":           "-> static/a.txt",
	"static/a.txt":   "a",
	"static/b-2":     "b",
	"static/b/c":     "c",
	"empty/":         "",
	".git/HEAD":      "ref: refs/heads/main\n",
	"vendor/m/.git":  "gitdir: ../../.git/modules/m\n",
	"vendor/m/m.txt": "m",
}

func TestEntries(t *testing.T) {
	tree := open(t, put(t, t.TempDir(), app), Options{})
	want := []Entry{
		{Path: "empty", Kind: Dir, Mode: 0o755},
		{Path: "go.mod", Kind: File, Mode: 0o644, Size: 11},
		{Path: "link", Kind: Link, Mode: 0o777, Target: "static/a.txt"},
		{Path: "main.go", Kind: File, Mode: 0o644, Size: 13},
		{Path: "run.sh", Kind: File, Mode: 0o755, Size: 10},
		{Path: "static", Kind: Dir, Mode: 0o755},
		{Path: "static/a.txt", Kind: File, Mode: 0o644, Size: 1},
		{Path: "static/b", Kind: Dir, Mode: 0o755},
		{Path: "static/b-2", Kind: File, Mode: 0o644, Size: 1},
		{Path: "static/b/c", Kind: File, Mode: 0o644, Size: 1},
		{Path: "vendor", Kind: Dir, Mode: 0o755},
		{Path: "vendor/m", Kind: Dir, Mode: 0o755},
		{Path: "vendor/m/m.txt", Kind: File, Mode: 0o644, Size: 1},
	}
	same := cmp.Comparer(func(a, b stamp) bool { return true })
	if d := cmp.Diff(want, tree.Entries, same, cmp.AllowUnexported(Entry{})); d != "" {
		t.Error(d)
	}
	if e, ok := tree.Lookup("run.sh"); !ok || e.Size != 10 {
		t.Errorf("Lookup gave %v, %v", e, ok)
	}
	if tree.Project.Source != nil {
		t.Errorf("a directory has an origin: %v", tree.Project.Source)
	}
}

func TestDigestDependsOnContentOnly(t *testing.T) {
	want := digest(t, open(t, put(t, t.TempDir(), app), Options{}))
	change := func(name string, equal bool, do func(dir string) error) {
		t.Run(name, func(t *testing.T) {
			dir := put(t, t.TempDir(), app)
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
			if got := digest(t, open(t, dir, Options{})); (got == want) != equal {
				t.Errorf("equal digest: %v, want %v", got == want, equal)
			}
		})
	}
	change("nothing", true, func(string) error { return nil })
	change("times", true, func(dir string) error {
		return os.Chtimes(filepath.Join(dir, "main.go"), time.Now(), time.Unix(1, 0))
	})
	change("umask", true, func(dir string) error {
		return errors.Join(os.Chmod(filepath.Join(dir, "main.go"), 0o600), os.Chmod(filepath.Join(dir, "run.sh"), 0o700),
			os.Chmod(filepath.Join(dir, "static"), 0o700))
	})
	change("git", true, func(dir string) error { return os.RemoveAll(filepath.Join(dir, ".git")) })
	change("rewritten", true, func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, "go.mod")),
			os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module app\n"), 0o644))
	})
	change("executable", false, func(dir string) error { return os.Chmod(filepath.Join(dir, "main.go"), 0o755) })
	change("content", false, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "main.go"), []byte("package mine\n"), 0o644)
	})
	change("name", false, func(dir string) error {
		return os.Rename(filepath.Join(dir, "main.go"), filepath.Join(dir, "main2.go"))
	})
	change("target", false, func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, "link")), os.Symlink("static/b-2", filepath.Join(dir, "link")))
	})
	change("empty directory", false, func(dir string) error { return os.Remove(filepath.Join(dir, "empty")) })
	change("one job", true, func(string) error { return nil })
}

func TestCopyIsNormalised(t *testing.T) {
	src := put(t, t.TempDir(), app)
	if err := os.Chmod(filepath.Join(src, "static"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	tree := open(t, src, Options{})
	want := digest(t, tree)
	dst := filepath.Join(t.TempDir(), "workspace")
	if err := tree.CopyTo(t.Context(), dst); err != nil {
		t.Fatal(err)
	}
	copied := open(t, dst, Options{})
	if got := digest(t, copied); got != want {
		t.Errorf("the copy has digest %s, want %s", got, want)
	}
	err := filepath.WalkDir(dst, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.ModTime().Equal(archive.Epoch) {
			t.Errorf("%s has time %v", path, info.ModTime())
		}
		if d.IsDir() && info.Mode().Perm() != 0o755 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if d.Type().IsRegular() && info.Mode() != 0o644 && info.Mode() != 0o755 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := tree.CopyTo(t.Context(), dst); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("copying to a full directory: %v", err)
	}
}

func TestChangesAreNoticed(t *testing.T) {
	changes := map[string]func(path string) error{
		"content of the same size": func(path string) error { return os.WriteFile(path, []byte("package mine\n"), 0o644) },
		"longer":                   func(path string) error { return os.WriteFile(path, make([]byte, 1000), 0o644) },
		"shorter":                  func(path string) error { return os.Truncate(path, 2) },
		"gone":                     os.Remove,
		"mode":                     func(path string) error { return os.Chmod(path, 0o755) },
		"replaced by a link out": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		},
		"replaced by a pipe": func(path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644))
		},
	}
	for name, change := range changes {
		for _, hashed := range []bool{false, true} {
			if !hashed && name == "content of the same size" {
				continue // nobody has seen the old content
			}
			t.Run(fmt.Sprintf("%s, hashed %v", name, hashed), func(t *testing.T) {
				dir := put(t, t.TempDir(), app)
				tree := open(t, dir, Options{})
				if hashed {
					digest(t, tree)
				}
				if err := change(filepath.Join(dir, "main.go")); err != nil {
					t.Fatal(err)
				}
				err := tree.CopyTo(t.Context(), t.TempDir())
				if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "main.go") {
					t.Errorf("copying after the change: %v", err)
				}
			})
		}
	}
}

// memory is Records in memory. It counts what is found.
type memory struct {
	records map[string]any
	hits    int
}

func (m *memory) Record(kind, key string, v any) error {
	switch r := m.records[kind+key].(type) {
	case treeRecord:
		*v.(*treeRecord) = r
	case fileRecord:
		*v.(*fileRecord) = r
	default:
		return errors.New("not there")
	}
	m.hits++
	return nil
}

func (m *memory) SetRecord(kind, key string, v any) error {
	m.records[kind+key] = v
	return nil
}

// settle makes the tree look as if it had been read long after its last change, without waiting for that.
func settle(tree *Tree) *Tree {
	tree.began = tree.began.Add(time.Hour)
	return tree
}

func TestUnchangedTreeIsNotReadAgain(t *testing.T) {
	dir := put(t, t.TempDir(), app)
	m := &memory{records: map[string]any{}}
	digest(t, open(t, dir, Options{Records: m}))
	if len(m.records) != 0 {
		t.Fatal("the digest of a tree that has just been changed was remembered")
	}
	want := digest(t, settle(open(t, dir, Options{Records: m})))
	if len(m.records) != 1 || m.hits != 0 {
		t.Fatalf("%d records, %d hits", len(m.records), m.hits)
	}
	if got := digest(t, open(t, dir, Options{Records: m})); got != want || m.hits != 1 {
		t.Errorf("digest %s, want %s; %d hits", got, want, m.hits)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, open(t, dir, Options{Records: m})); got == want || m.hits != 1 {
		t.Errorf("after a change: equal digest %v, %d hits", got == want, m.hits)
	}
}

func TestLargeFilesAreRemembered(t *testing.T) {
	dir := put(t, t.TempDir(), map[string]string{"a": "a"})
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, largeFile), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &memory{records: map[string]any{}}
	digest(t, settle(open(t, dir, Options{Records: m})))
	put(t, dir, map[string]string{"a": "b"})
	got := digest(t, settle(open(t, dir, Options{Records: m})))
	if m.hits != 1 {
		t.Errorf("%d hits, want 1: the large file", m.hits)
	}
	if want := digest(t, open(t, dir, Options{})); got != want {
		t.Errorf("digest with a remembered file is %s, want %s", got, want)
	}
}

func TestRefusedTrees(t *testing.T) {
	fifo := func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644) }
	file := func(name string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), nil, 0o644) }
	}
	link := func(target string) func(string) error {
		return func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "d/e"), 0o755), os.Symlink(target, filepath.Join(dir, "d/link")))
		}
	}
	for _, c := range []struct {
		name, want string
		do         func(dir string) error
	}{
		{"pipe", `"pipe" is a named pipe`, fifo},
		{"name not UTF-8", `"bad\xff" has a name that is not UTF-8`, file("bad\xff")},
		{"control character", `"a\nb" has a control character`, file("a\nb")},
		{"whiteout", `".wh.a" has a name that image layers`, file(".wh.a")},
		{"absolute link", `"d/link" is a symbolic link to the absolute path "/etc/passwd"`, link("/etc/passwd")},
		{"leaving link", `"d/link" is a symbolic link that leaves the tree, to "../../x"`, link("../../x")},
		{"leaving link, through a directory", `"d/link" is`, link("e/../../../x")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.do(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), dir, Options{})
			var r *RefusedError
			if !errors.As(err, &r) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), ".s2iignore") {
				t.Fatalf("error %v, want one with %s and the way out", err, c.want)
			}
			put(t, dir, map[string]string{".s2iignore": "pipe\nbad?\na?b\n.wh.*\nd\n"})
			open(t, dir, Options{})
		})
	}
}

func TestLeavingLinks(t *testing.T) {
	for _, c := range []struct {
		links string // path=target …
		want  string // the paths that leave
	}{
		{"a=b", ""},
		{"a=.", ""},
		{"a=..", "a"},
		{"d/a=..", ""},
		{"d/a=../..", "d/a"},
		{"a=a", ""},
		{"a=b b=a", ""},
		{"a=missing/../..", "a"},
		{"a=sub/dir b=a/../../x", ""},    // a/.. is sub
		{"deep/l=.. m=deep/l/../x", "m"}, // deep/l is the top
		{"a=b b=c c=../x", "a b c"},      // all three
		{"d/a=./././b d/b=../d/c d/c=../e/f", ""},
	} {
		var entries []Entry
		for _, l := range strings.Fields(c.links) {
			path, target, _ := strings.Cut(l, "=")
			entries = append(entries, Entry{Path: path, Kind: Link, Target: target})
		}
		var got []string
		for _, p := range leavingLinks(entries) {
			got = append(got, p.Path)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v leave, want %s", c.links, got, c.want)
		}
	}
}

func TestSocketsAreLeftOut(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	put(t, dir, map[string]string{"a": "a"})
	if got := paths(open(t, dir, Options{})); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the tree is %v", got)
	}
}

func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root can read everything: nothing is refused")
	}
	dir := put(t, t.TempDir(), map[string]string{"secret": "s", "d/x": "x"})
	check := func(path string, err error) {
		t.Helper()
		if os.Getuid() == 0 {
			if err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), ".s2iignore") {
			t.Errorf("error %v, want one that names %s and the way out", err, path)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir, Options{}).Digest(t.Context())
	check(`"secret"`, err)
	if err := os.Chmod(filepath.Join(dir, "d"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "d"), 0o755)
	_, err = Open(t.Context(), dir, Options{})
	check(`"d"`, err)
	if got := paths(open(t, dir, Options{Ignore: []string{"d", "secret"}})); len(got) != 0 {
		t.Errorf("the tree is %v", got)
	}
}

func TestDeepTree(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := strings.Repeat("n", 200)
	deep := strings.TrimSuffix(strings.Repeat(name+"/", 30), "/")
	if err := root.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	defer root.RemoveAll(name)
	_, err = Open(t.Context(), dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "longer than programs can open") {
		t.Errorf("error %.300v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := put(t, t.TempDir(), map[string]string{"a": "a", "out": "-> ..", "sub/b": "b"})
	for ref, want := range map[string]string{
		dir + "/missing":    "no such file",
		dir + "#:missing":   "no such directory",
		dir + "#:../x":      "leads out of the source",
		dir + "#:out":       "escapes",
		dir + "#:a":         "not a directory",
		"/":                 "the whole machine",
		"/dev/null":         "neither a directory nor a file",
		"ftp://example.com": "the scheme",
	} {
		if _, err := Open(t.Context(), ref, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", ref, err, want)
		}
	}
	if got := paths(open(t, dir+"#:sub", Options{})); !slices.Equal(got, []string{"b"}) {
		t.Errorf("the subdirectory is %v", got)
	}
}

func TestCancelled(t *testing.T) {
	dir := put(t, t.TempDir(), app)
	tree := open(t, dir, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if _, err := tree.Digest(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Digest: %v", err)
	}
	if err := tree.CopyTo(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("CopyTo: %v", err)
	}
}
