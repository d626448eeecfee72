package dockerfile

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/listing"
)

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		line             int
	}{
		{"empty", "", "no instructions", 0},
		{"no stage", "ARG a=1\n", "no FROM", 0},
		{"unknown instruction", "FROM scratch\n\nFROB x\n", "FROB", 3},
		{"unknown flag", "FROM scratch\nCOPY --frob a b\n", "frob", 2},
		{"bad stage name", "FROM scratch AS 1x\n", "1x", 1},
		{"frontend image", "# syntax=example.com/lang:1\nFROM scratch\n", "frontend image", 1},
		{"too large", "FROM scratch\n" + strings.Repeat("#", MaxSize), "larger", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("Dockerfile", []byte(c.text))
			var located *Error
			if !errors.As(err, &located) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an *Error with %q", err, c.want)
			}
			if located.Line != c.line {
				t.Errorf("line %d, want %d: %v", located.Line, c.line, err)
			}
		})
	}
}

func TestParseSyntaxOfItsOwn(t *testing.T) {
	for _, syntax := range []string{"docker/dockerfile:1", "docker.io/docker/dockerfile:1.7-labs", "docker/dockerfile"} {
		if _, err := Parse("Dockerfile", []byte("# syntax="+syntax+"\nFROM scratch\n")); err != nil {
			t.Errorf("%s: %v", syntax, err)
		}
	}
}

func TestChmod(t *testing.T) {
	for _, c := range []struct {
		spec       string
		mode, want int64
		dir        bool
	}{
		{"640", 0o777, 0o640, false},
		{"4755", 0, 0o4755, false},
		{"u=rwX,go=rX", 0o600, 0o644, false},
		{"u=rwX,go=rX", 0o700, 0o755, false},
		{"u=rwX,go=rX", 0o600, 0o755, true},
		{"a+x", 0o644, 0o755, false},
		{"+x", 0o644, 0o755, false},
		{"go-rwx", 0o777, 0o700, false},
		{"u+s", 0o755, 0o4755, false},
		{"g+s,o+t", 0o755, 0o3755, false},
		{"g=u", 0o750, 0o770, false},
		{"u=rw+x", 0o000, 0o700, false},
	} {
		change, err := parseChmod(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if got := change(c.mode, c.dir); got != c.want {
			t.Errorf("%s of %o: got %o, want %o", c.spec, c.mode, got, c.want)
		}
	}
	for _, spec := range []string{"", "9", "u=q", "z+x", "10000", "rwx", "u"} {
		if _, err := parseChmod(spec); err == nil {
			t.Errorf("%q: no error", spec)
		}
	}
}

func TestPorts(t *testing.T) {
	for word, want := range map[string][]string{
		"80": {"80/tcp"}, "53/UDP": {"53/udp"}, "8000-8002": {"8000/tcp", "8001/tcp", "8002/tcp"}, "127.0.0.1:80:90": {"90/tcp"},
	} {
		got, err := parsePorts(word)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", word, got, err, want)
		}
	}
	for _, word := range []string{"", "x", "80/icmp", "9-8", "70000", "-1", "1-99999999"} {
		if got, err := parsePorts(word); err == nil {
			t.Errorf("%q: got %v, want an error", word, got)
		}
	}
}

// tree writes files into a directory; a name that ends in a slash is a directory, and "-> x" makes a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestContextIgnores(t *testing.T) {
	dir := tree(t, map[string]string{"a.log": "", "keep.log": "", "build/x": "", "build/keep/y": "", "src/z.go": ""})
	c, err := OpenContext(dir, []string{"*.log", "!keep.log", "build", "!build/keep"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g := &gatherer{from: c}
	if err := g.pattern(t.Context(), "."); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range g.out[0].entries {
		got = append(got, e.Name)
	}
	want := []string{"", "build", "build/keep", "build/keep/y", "keep.log", "src", "src/z.go"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestContextStaysInside follows links that lead out of the context.
func TestContextStaysInside(t *testing.T) {
	dir := tree(t, map[string]string{"out": "-> /etc", "up": "-> ../../..", "loop": "-> loop", "in": "-> sub/file", "sub/file": "x"})
	c, err := OpenContext(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, name := range []string{"out/passwd", "up/etc/passwd", "../../etc/passwd"} {
		g := &gatherer{from: c}
		if err := g.pattern(t.Context(), name); err == nil {
			t.Errorf("%s: got %+v, want an error", name, g.out)
		}
	}
	if err := (&gatherer{from: c}).pattern(t.Context(), "loop"); !errors.Is(err, listing.ErrLinks) {
		t.Errorf("loop: got %v", err)
	}
	g := &gatherer{from: c}
	if err := g.pattern(t.Context(), "in"); err != nil || g.out[0].root().Name != "sub/file" || g.out[0].base != "in" {
		t.Errorf("in: got %+v, %v", g.out, err)
	}
}

// TestContextRemembersDigests reads a file once, and again when it changed.
func TestContextRemembersDigests(t *testing.T) {
	dir := tree(t, map[string]string{"a": "one"})
	records := memory{}
	digest := func() string {
		c, err := OpenContext(dir, nil, records)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		e, err := c.lstat("a")
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.digest(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digest()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if second := digest(); second == first {
		t.Error("the change of a file of the same size went unnoticed")
	}
}

type memory map[string]any

func (m memory) Record(kind, key string, v any) error {
	found, ok := m[kind+key]
	if !ok {
		return errors.New("no such record")
	}
	*v.(*[]byte) = found.([]byte)
	return nil
}

func (m memory) SetRecord(kind, key string, v any) error { m[kind+key] = v; return nil }

// TestDigestOfContents has copies that must and must not have the same digest.
func TestDigestOfContents(t *testing.T) {
	digest := func(files map[string]string, pattern string) string {
		c, err := OpenContext(tree(t, files), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		g := &gatherer{from: c}
		if err := g.pattern(t.Context(), pattern); err != nil {
			t.Fatal(err)
		}
		if err := g.digests(t.Context()); err != nil {
			t.Fatal(err)
		}
		d, err := contentDigest(g.out)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base := digest(map[string]string{"src/a": "1", "src/b/c": "2", "other": "x"}, "src")
	if got := digest(map[string]string{"src/a": "1", "src/b/c": "2", "other": "y"}, "src"); got != base {
		t.Error("a file that is not copied changes the digest")
	}
	for name, files := range map[string]map[string]string{
		"content": {"src/a": "3", "src/b/c": "2"}, "name": {"src/z": "1", "src/b/c": "2"}, "less": {"src/a": "1"},
		"link": {"src/a": "-> b/c", "src/b/c": "2"},
	} {
		if digest(files, "src") == base {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}

func view(entries ...listing.Entry) *listing.View {
	return listing.Over(&listing.Listing{Entries: entries})
}

func TestPlace(t *testing.T) {
	dir := func(name string) listing.Entry {
		return listing.Entry{Name: name, Type: tar.TypeDir, Mode: 0o700, UID: 5}
	}
	link := func(name, to string) listing.Entry {
		return listing.Entry{Name: name, Type: tar.TypeSymlink, Link: to}
	}
	file := listing.Entry{Name: "src/f", Type: tar.TypeReg, Mode: 0o644}
	one := []gathered{{base: "f", entries: []listing.Entry{file}}}
	all := []gathered{{base: "src", entries: []listing.Entry{{Name: "src", Type: tar.TypeDir, Mode: 0o755}, file}}}
	for _, c := range []struct {
		name    string
		target  *listing.View
		sources []gathered
		dest    string
		toDir   bool
		want    []string
		fails   string
	}{
		{"file to a new name", view(), one, "x/y", false, []string{"x", "x/y"}, ""},
		{"file into a new directory", view(), one, "x", true, []string{"x", "x/f"}, ""},
		{"file into a directory that is there", view(dir("x")), one, "x", false, []string{"x 700 5", "x/f"}, ""},
		{"file through a link", view(dir("real"), link("x", "/real")), one, "x/f", false, []string{"real 700 5", "real/f"}, ""},
		{"file over a link to a file", view(link("x", "real")), one, "x", false, []string{"real"}, ""},
		{"link out of the root", view(dir("etc"), link("x", "../../../etc")), one, "x", true, []string{"etc 700 5", "etc/f"}, ""},
		{"directory", view(), all, "x", false, []string{"x", "x/f"}, ""},
		{"directory into one that is there", view(dir("x")), all, "x", false, []string{"x 700 5", "x/f"}, ""},
		{"directory over the root", view(), all, "", true, []string{"f"}, ""},
		{"file over a directory", view(dir("x"), dir("x/f")), all, "x", false, nil, "over the directory"},
		{"below a file", view(listing.Entry{Name: "x", Type: tar.TypeReg}), one, "x/y", false, nil, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &placement{target: c.target, dest: c.dest, toDir: c.toDir}
			items, err := p.place(c.sources)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, it := range items {
				name := it.Name
				if it.UID != 0 {
					name = fmt.Sprintf("%s %o %d", name, it.Mode, it.UID)
				}
				got = append(got, name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	for src, want := range map[string]remoteKind{
		"a.txt": local, "https/x": local, "https://example.com/a.tar.gz": archiveURL, "http://example.com/": archiveURL,
		"https://example.com/team/app.git": gitRepository, "https://example.com/app.git#v1:sub": gitRepository,
		"git@example.com:team/app.git": gitRepository, "ssh://git@example.com/app": gitRepository,
	} {
		if got := kindOf(src); got != want {
			t.Errorf("%s: got %d, want %d", src, got, want)
		}
	}
}

func TestParseCommentOfChecks(t *testing.T) {
	file, err := Parse("Dockerfile", []byte("FROM scratch\n# check=skip=SecretsUsedInArgOrEnv\nENV TOKEN=x\n"))
	if err != nil || len(file.Stages) != 1 {
		t.Errorf("got %v, %v", file, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("FROM scratch\nCOPY --chmod=u=rwX a b\nRUN <<EOF\nx\nEOF\n")
	f.Add("# a\nFROM scratch\n# check=skip=all\nRUN x\n")
	f.Add("# escape=`\nARG a\nFROM $a AS b\nONBUILD RUN x\nHEALTHCHECK CMD x\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("Dockerfile", []byte(text))
		if err == nil && len(file.Stages) == 0 {
			t.Error("a file without stages is no error")
		}
	})
}

func FuzzChmod(f *testing.F) {
	f.Add("u=rwX,go=rX")
	f.Add("0644")
	f.Fuzz(func(t *testing.T, spec string) {
		change, err := parseChmod(spec)
		if err == nil && change(0o644, false)&^0o7777 != 0 {
			t.Errorf("%q gives bits that are no permissions", spec)
		}
	})
}

func TestAccounts(t *testing.T) {
	files := map[string]string{"etc/passwd": "app:x:5:6::/home/app:/bin/sh\nbroken\n", "etc/group": "web:x:7:\n"}
	some := accounts(func(file string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(files[file])), nil })
	none := accounts(func(string) (io.ReadCloser, error) { return nil, nil })
	for _, c := range []struct {
		in    accounts
		spec  string
		want  ids
		fails string
	}{
		{some, "app", ids{5, 6}, ""}, {some, "app:web", ids{5, 7}, ""}, {some, "5", ids{5, 6}, ""}, {some, "9:8", ids{9, 8}, ""},
		{some, "nobody", ids{}, `no user "nobody"`}, {some, "app:staff", ids{}, `no group "staff"`},
		{none, "root", ids{0, 0}, ""}, {none, "root:root", ids{0, 0}, ""}, {some, "root:web", ids{0, 7}, ""},
		{none, "9", ids{9, 0}, ""}, {none, "app", ids{}, `no user "app"`},
	} {
		got, err := c.in.user(c.spec)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %q", c.spec, err, c.fails)
			}
		} else if err != nil || got.ids != c.want {
			t.Errorf("%s: got %v, %v, want %v", c.spec, got.ids, err, c.want)
		}
	}
}
