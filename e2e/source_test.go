//go:build e2e

package e2e

import (
	"archive/zip"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSources builds the same files from every kind of source.
func TestSources(t *testing.T) {
	t.Parallel()
	s := newSources(t)
	want := digestOf(t, s.build(t, s.app).run(t))
	for name, c := range map[string]command{
		"directory without ignored files": s.build(t, s.bare),
		"tar.gz on standard input":        s.stdin(t, "app.tar.gz"),
		"tar file":                        s.build(t, filepath.Join(s.dir, "app.tar")),
		"zip file":                        s.build(t, filepath.Join(s.dir, "app.zip")),
		"address":                         s.build(t, s.server+"/app.tar.gz"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectDigest(t, want, name, c)
		})
	}
	t.Run("git", func(t *testing.T) {
		t.Parallel()
		s.git(t)
	})
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		s.build(t, s.server+"/absent.tar.gz").fails(t, 1, "404")
		s.build(t, filepath.Join(s.dir, "absent")).fails(t, 1, "absent")
	})
}

type sources struct {
	dir, app, bare, bp, server string
}

func newSources(t *testing.T) *sources {
	t.Helper()
	dir := t.TempDir()
	s := &sources{dir: dir, app: filepath.Join(dir, "app"), bare: filepath.Join(dir, "bare"), bp: filepath.Join(dir, "bp")}
	write(t, s.bp, wordsBuildpack())
	files := map[string]string{
		"words.txt":    "a file\n",
		".s2iignore":   "*.log\nsecret/\n",
		"project.toml": "[_]\nschema-version = \"0.2\"\n[[io.buildpacks.build.env]]\nname = \"USER_VARIABLE\"\nvalue = \"of the project\"\n",
	}
	write(t, s.bare, files)
	files["debug.log"], files["secret/key"] = "ignored\n", "ignored\n"
	write(t, s.app, files)
	in := func(args ...string) {
		command{name: args[0], args: args[1:], dir: dir}.run(t)
	}
	in("tar", "-cf", "app.tar", "app")
	in("tar", "-czf", "app.tar.gz", "-C", "app", ".")
	writeZip(t, filepath.Join(dir, "app.zip"), s.app)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	s.server = server.URL
	return s
}

func writeZip(t *testing.T, file, dir string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := errors.Join(z.AddFS(os.DirFS(dir)), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *sources) build(t *testing.T, src string) command {
	t.Helper()
	return s2i("build", src, "-b", s.bp, "-t", "sources-"+strings.ToLower(filepath.Base(t.Name())), "--no-cache")
}

func (s *sources) stdin(t *testing.T, file string) command {
	t.Helper()
	c := s.build(t, "-")
	return command{name: "sh", dir: s.dir, args: append([]string{"-c", `"$@" <` + file, "sh", c.name}, c.args...)}
}

// git builds a directory of a repository at a branch, a tag and a commit.
func (s *sources) git(t *testing.T) {
	repo := filepath.Join(s.dir, "repo")
	if err := os.CopyFS(filepath.Join(repo, "sub", "dir"), os.DirFS(s.bare)); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		c := command{name: "git", dir: repo, args: append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)}
		return c.run(t)
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	git("tag", "v1")
	commit := git("rev-parse", "HEAD")
	write(t, repo, map[string]string{"sub/dir/words.txt": "a later file\n"})
	git("commit", "-q", "-a", "-m", "second")
	for at, want := range map[string]string{
		"main": "greetings from a later file", "v1": "greetings from a file", commit: "greetings from a file",
	} {
		text := log(t, s.build(t, "file://"+repo+"#"+at+":sub/dir"))
		expectIn(t, text, "user variable: of the project")
		if out := s2i("run", "sources-git").run(t); out != want {
			t.Errorf("at %s: %q, want %q", at, out, want)
		}
		if label := inspect(t, "sources-git").Labels["io.buildpacks.project.metadata"]; at == commit && !strings.Contains(label, commit) {
			t.Errorf("the image does not name its commit: %s", label)
		}
	}
	s.build(t, "file://"+repo+"#absent").fails(t, 1, "absent")
	s.build(t, "file://"+repo+"#main:absent").fails(t, 1, "absent")
}
