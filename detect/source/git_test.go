package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"s2i/lifecycle/archive"
)

// needGit fails a test that serves repositories, which git itself does.
func needGit(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal("this test serves repositories with git, which is not installed: apt-get install git")
	}
	return path
}

// commitAll commits everything in the working tree of the repository at dir, which is made when there is none.
func commitAll(t testing.TB, dir, message string) plumbing.Hash {
	t.Helper()
	repository, err := git.PlainOpen(dir)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		repository, err = git.PlainInitWithOptions(dir, &git.PlainInitOptions{
			InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repository.Worktree()
	if err == nil {
		err = tree.AddGlob(".")
	}
	if err != nil {
		t.Fatal(err)
	}
	hash, err := tree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "A", When: time.Unix(1e9, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// app without what git does not keep.
func gitApp() map[string]string {
	files := map[string]string{}
	for name, content := range app {
		if !strings.Contains(name, ".git") && !strings.HasSuffix(name, "/") {
			files[name] = content
		}
	}
	return files
}

// repository makes a repository with two commits on main, a branch, a tag and an annotated tag.
func repository(t testing.TB) (dir string, first, second plumbing.Hash) {
	t.Helper()
	dir = put(t, t.TempDir(), gitApp())
	first = commitAll(t, dir, "one")
	put(t, dir, map[string]string{"second": "2"})
	second = commitAll(t, dir, "two")
	r, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateTag("v1", first, &git.CreateTagOptions{
		Message: "v1", Tagger: &object.Signature{Name: "A", When: time.Unix(1e9, 0)}})
	if _, tagErr := r.CreateTag("light", first, nil); err == nil {
		err = tagErr
	}
	if err == nil {
		err = r.Storer.SetReference(plumbing.NewHashReference("refs/heads/team/old", first))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, first, second
}

// checkRevisions opens a repository in every way to name a commit.
func checkRevisions(t *testing.T, location string, first, second plumbing.Hash, o Options) {
	t.Helper()
	one := digest(t, open(t, put(t, t.TempDir(), gitApp()), Options{}))
	two := digest(t, open(t, put(t, t.TempDir(), withFile(gitApp(), "second", "2")), Options{}))
	sub := digest(t, open(t, put(t, t.TempDir(), map[string]string{"a.txt": "a", "b-2": "b", "b/c": "c"}), Options{}))
	for _, c := range []struct {
		fragment, digest, tag string
		commit                plumbing.Hash
	}{
		{"", two, "", second},
		{"#main", two, "", second},
		{"#refs/heads/main", two, "", second},
		{"#team/old", one, "", first},
		{"#v1", one, "v1", first},
		{"#refs/tags/light", one, "light", first},
		{"#" + first.String(), one, "", first},
		{"#" + first.String()[:8], one, "", first},
		{"#:static", sub, "", second},
		{"#v1:static", sub, "v1", first},
	} {
		tree, err := Open(t.Context(), location+c.fragment, o)
		if err != nil {
			t.Errorf("%s: %v", c.fragment, err)
			continue
		}
		if got := digest(t, tree); got != c.digest {
			t.Errorf("%s has digest %s, want %s: %v", c.fragment, got, c.digest, paths(tree))
		}
		s := tree.Project.Source
		if s == nil || s.Type != "git" || s.Version["commit"] != c.commit.String() || c.tag != "" && s.Version["describe"] != c.tag {
			t.Errorf("%s: its origin is %v", c.fragment, s)
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
		checkCommit(t, location+c.fragment, c.commit, o)
	}
	for fragment, want := range map[string]string{
		"#missing":                          `no branch, tag or commit "missing"`,
		"#" + strings.Repeat("0", 39) + "1": "000",
		"#abcdef12":                         `"abcdef12"`,
		"#v1:missing":                       "no such directory",
	} {
		if _, err := Open(t.Context(), location+fragment, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", fragment, err, want)
		}
	}
}

// checkCommit asks for the commit without fetching it: only a part of its hash needs the repository for that.
func checkCommit(t *testing.T, ref string, commit plumbing.Hash, o Options) {
	t.Helper()
	if r, err := ParseRef(ref); err != nil || r.Kind != Git {
		return
	}
	want := commit.String()
	if strings.HasSuffix(ref, "#"+want[:8]) && !strings.HasPrefix(ref, "file:") {
		want = ""
	}
	if got, err := Commit(t.Context(), ref, o); err != nil || got != want {
		t.Errorf("%s is at commit %q (%v), want %q", ref, got, err, want)
	}
}

func TestLocalRepositories(t *testing.T) {
	dir, first, second := repository(t)
	put(t, dir, map[string]string{"not committed": "x"})
	bare := filepath.Join(t.TempDir(), "bare.git")
	if _, err := git.PlainClone(bare, true, &git.CloneOptions{URL: dir}); err != nil {
		t.Fatal(err)
	}
	b, err := git.PlainOpen(bare)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Storer.SetReference(plumbing.NewHashReference("refs/heads/team/old", first)); err != nil {
		t.Fatal(err)
	}
	t.Run("file URL", func(t *testing.T) { checkRevisions(t, "file://"+dir, first, second, Options{}) })
	t.Run("bare", func(t *testing.T) { checkRevisions(t, "file://"+bare, first, second, Options{}) })
	t.Run("path", func(t *testing.T) {
		tree := open(t, dir+"#v1:static", Options{})
		if got := strings.Join(paths(tree), " "); got != "a.txt b b-2 b/c" {
			t.Errorf("the tree is %s", got)
		}
		if _, ok := open(t, dir, Options{}).Lookup("not committed"); !ok {
			t.Error("without a revision, the directory as it is should be taken")
		}
	})
	if _, err := Open(t.Context(), "file://"+t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "no git repository") {
		t.Errorf("an empty directory: %v", err)
	}
}

// gitServer serves the repositories below root over smart http.
func gitServer(t testing.TB, root string) *httptest.Server {
	backend := &cgi.Handler{
		Path: needGit(t), Args: []string{"http-backend"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/private/") {
			if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/private")
		}
		if r.URL.Path == "/app/files.tar" {
			http.NotFound(w, r)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestHTTPRepositories(t *testing.T) {
	dir, first, second := repository(t)
	root := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, ".git"), filepath.Join(root, "app.git")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, ".git"), filepath.Join(root, "app")); err != nil {
		t.Fatal(err)
	}
	server := gitServer(t, root)
	none := func(string) string { return "" }
	t.Run("public", func(t *testing.T) {
		checkRevisions(t, server.URL+"/app.git", first, second, Options{Getenv: none})
	})
	t.Run("no .git in the name", func(t *testing.T) {
		checkRevisions(t, server.URL+"/app", first, second, Options{Getenv: none})
	})
	t.Setenv("HOME", t.TempDir()) // of git credential
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	home := put(t, t.TempDir(), map[string]string{".netrc": "machine 127.0.0.1\nlogin me\npassword s3cret\n"})
	inURL := strings.Replace(server.URL, "://", "://me:s3cret@", 1)
	for name, c := range map[string]struct {
		url string
		env map[string]string
	}{
		"netrc":       {server.URL, map[string]string{"HOME": home}},
		"environment": {server.URL, map[string]string{"S2I_GIT_USERNAME": "me", "S2I_GIT_PASSWORD": "s3cret"}},
		"URL":         {inURL, nil},
	} {
		tree, err := Open(t.Context(), c.url+"/private/app.git#v1", Options{Getenv: func(k string) string { return c.env[k] }})
		if err != nil {
			t.Errorf("login by %s: %v", name, err)
			continue
		}
		if s := fmt.Sprint(tree.Project.Source); strings.Contains(s, "s3cret") || !strings.Contains(s, server.URL+"/private/app.git") {
			t.Errorf("login by %s: the origin is %s", name, s)
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, u := range []string{server.URL, strings.Replace(inURL, "s3cret", "s3crets", 1)} {
		_, err := Open(t.Context(), u+"/private/app.git", Options{Getenv: none})
		if err == nil || !strings.Contains(err.Error(), "S2I_GIT_PASSWORD") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("without a login: %v", err)
		}
	}
	_, err := Open(t.Context(), server.URL+"/app.git", Options{Getenv: none, Limits: archive.Limits{Bytes: 100}})
	if !errors.Is(err, archive.ErrLimit) {
		t.Errorf("a pack larger than the limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, server.URL+"/app.git", Options{Getenv: none}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCredentialHelper(t *testing.T) {
	needGit(t)
	home := t.TempDir()
	helper := `[credential "https://example.com"]
	helper = "!f() { echo username=me; echo password=s3cret; }; f"
`
	put(t, home, map[string]string{".gitconfig": helper})
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GIT_ASKPASS", "")
	t.Setenv("SSH_ASKPASS", "")
	for address, want := range map[string]*login{
		"https://example.com/a.git":                                 {user: "me", password: "s3cret"},
		"https://example.org/a.git":                                 nil,
		"https://example.org/a%0ahost=example.com%0aprotocol=https": nil,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, helperLogin(t.Context(), u), cmp.AllowUnexported(login{})); d != "" {
			t.Errorf("%s: %s", address, d)
		}
	}
	ask := filepath.Join(home, "ask")
	put(t, home, map[string]string{"ask": "#!/bin/sh\ncase $1 in User*) echo you;; *) echo word;; esac\n"})
	t.Setenv("GIT_ASKPASS", ask)
	if l := helperLogin(t.Context(), &url.URL{Scheme: "https", Host: "example.net", Path: "/a"}); l == nil || *l != (login{user: "you", password: "word"}) {
		t.Error("GIT_ASKPASS was not asked")
	}
}

func TestEnvironmentLoginStaysAtHome(t *testing.T) {
	o := Options{Getenv: func(name string) string {
		return map[string]string{"S2I_GIT_PASSWORD": "s3cret"}[name]
	}}
	u, err := url.Parse("https://example.com/a.git")
	if err != nil {
		t.Fatal(err)
	}
	if l, _ := logins(t.Context(), u, o, true)(); l == nil || l.password != "s3cret" || l.user != "git" {
		t.Error("the source's own host does not get the login")
	}
	if l, _ := logins(t.Context(), u, o, false)(); l != nil {
		t.Error("a submodule's host gets the login")
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://example.com/a", "https://example.com/b", true},
		{"https://example.com/a", "http://example.com/a", false},
		{"https://example.com:444/a", "https://example.com/a", false},
		{"https://me:x@example.com/a", "https://EXAMPLE.com/a", true},
	} {
		if got := sameOrigin(c.a, c.b); got != c.want {
			t.Errorf("sameOrigin(%q, %q) is %v", c.a, c.b, got)
		}
	}
}

func TestParseNetrc(t *testing.T) {
	data := []byte("# comment with machine example.com\nmacdef init\nmachine example.com login no password no\n\n" +
		"machine example.org login o password po account x\nmachine EXAMPLE.com\n  password p1 login me\n" +
		"machine quoted.example login \"q\" password \"pq\"\nmachine half.example login h\ndefault login d password pd\n")
	for host, want := range map[string]*login{
		"example.com":    {user: "me", password: "p1"},
		"example.org":    {user: "o", password: "po"},
		"quoted.example": {user: "q", password: "pq"},
		"half.example":   nil,
		"other.example":  {user: "d", password: "pd"},
	} {
		if d := cmp.Diff(want, parseNetrc(data, host), cmp.AllowUnexported(login{})); d != "" {
			t.Errorf("%s: %s", host, d)
		}
	}
}

func FuzzParseNetrc(f *testing.F) {
	f.Add([]byte("machine a login b password c\nmacdef x\ny\n\ndefault"), "a")
	f.Fuzz(func(t *testing.T, data []byte, host string) { parseNetrc(data, host) })
}

// sshServer serves repositories by path with one host key and one accepted user key.
func sshServer(t testing.TB, userKey ssh.PublicKey) (address string, hostKey ssh.PublicKey) {
	t.Helper()
	gitPath := needGit(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	conf := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(userKey.Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}}
	conf.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serveSSH(conn, conf, gitPath) })
		}
	})
	return l.Addr().String(), host.PublicKey()
}

func serveSSH(conn net.Conn, conf *ssh.ServerConfig, gitPath string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, conf)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			path := strings.Trim(strings.TrimPrefix(string(r.Payload[4:]), "git-upload-pack "), "'")
			cmd := exec.Command(gitPath, "-c", "safe.directory=*", "upload-pack", path)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = channel, channel, channel.Stderr()
			status := struct{ Status uint32 }{}
			if cmd.Run() != nil {
				status.Status = 1
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
			channel.Close()
			break
		}
	}
}

func TestSSHRepositories(t *testing.T) {
	dir, first, _ := repository(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	userKey, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("pass"))
	if err != nil {
		t.Fatal(err)
	}
	address, hostKey := sshServer(t, userKey)
	known := knownhosts.Line([]string{knownhosts.Normalize(address)}, hostKey) + "\n"
	changed := knownhosts.Line([]string{knownhosts.Normalize(address)}, userKey) + "\n"
	other := knownhosts.Line([]string{"example.com"}, userKey) + "\n"
	key, lockedKey := string(pem.EncodeToMemory(block)), string(pem.EncodeToMemory(locked))
	for _, c := range []struct {
		name, want string
		home       map[string]string
	}{
		{"right", "", map[string]string{".ssh/known_hosts": known, ".ssh/id_ed25519": key}},
		{"unknown host", "ssh-keyscan -p", map[string]string{".ssh/known_hosts": other, ".ssh/id_ed25519": key}},
		{"changed host key", "somebody may be in between", map[string]string{".ssh/known_hosts": changed, ".ssh/id_ed25519": key}},
		{"no key", "there is no ssh key", map[string]string{".ssh/known_hosts": known}},
		{"locked key", "ssh-add", map[string]string{".ssh/known_hosts": known, ".ssh/id_ed25519": lockedKey}},
		{"broken key", "reading the key", map[string]string{".ssh/known_hosts": known, ".ssh/id_ed25519": "x"}},
		{"broken known hosts", "known hosts", map[string]string{".ssh/known_hosts": "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := put(t, t.TempDir(), c.home)
			o := Options{Getenv: func(name string) string { return map[string]string{"HOME": home}[name] }}
			tree, err := Open(t.Context(), "ssh://git@"+address+dir+"#v1", o)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %q in it", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if got := tree.Project.Source.Version["commit"]; got != first.String() {
				t.Errorf("the commit is %v", got)
			}
		})
	}
}

// withSubmodule commits a submodule into the repository at dir.
func withSubmodule(t testing.TB, dir, path, address string, hash plumbing.Hash) plumbing.Hash {
	t.Helper()
	modules := fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n", path, path, address)
	put(t, dir, map[string]string{".gitmodules": modules})
	commitAll(t, dir, "modules")
	r, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.CommitObject(head.Hash())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return commitTree(t, r, append(tree.Entries, object.TreeEntry{Name: path, Mode: filemode.Submodule, Hash: hash}))
}

// commitTree makes a commit of a directory with exactly these entries the head of main.
func commitTree(t testing.TB, r *git.Repository, entries []object.TreeEntry) plumbing.Hash {
	t.Helper()
	store := func(o interface {
		Encode(plumbing.EncodedObject) error
	}) plumbing.Hash {
		encoded := r.Storer.NewEncodedObject()
		if err := o.Encode(encoded); err != nil {
			t.Fatal(err)
		}
		hash, err := r.Storer.SetEncodedObject(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	var sorted object.Tree
	sorted.Entries = entries
	sortEntries(sorted.Entries)
	c := &object.Commit{TreeHash: store(&sorted), Message: "made", Author: object.Signature{Name: "A", When: time.Unix(1e9, 0)}}
	hash := store(c)
	if err := r.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", hash)); err != nil {
		t.Fatal(err)
	}
	return hash
}

func sortEntries(entries []object.TreeEntry) {
	for i := range entries {
		for j := i; j > 0 && entries[j].Name < entries[j-1].Name; j-- {
			entries[j], entries[j-1] = entries[j-1], entries[j]
		}
	}
}

func TestSubmodules(t *testing.T) {
	root := t.TempDir()
	deep := put(t, filepath.Join(root, "deep"), map[string]string{"deep.txt": "d"})
	deepHash := commitAll(t, deep, "deep")
	lib := put(t, filepath.Join(root, "lib"), map[string]string{"lib.txt": "l"})
	commitAll(t, lib, "lib")
	libHash := withSubmodule(t, lib, "inner", "../deep", deepHash)
	main := put(t, filepath.Join(root, "main"), map[string]string{"main.txt": "m", "link": "-> ext/lib.txt"})
	commitAll(t, main, "main")
	withSubmodule(t, main, "ext", "../lib", libHash)
	want := ".gitmodules ext ext/.gitmodules ext/inner ext/inner/deep.txt ext/lib.txt link main.txt"
	if got := strings.Join(paths(open(t, "file://"+main, Options{})), " "); got != want {
		t.Errorf("by file: the tree is %s, want %s", got, want)
	}
	if got := strings.Join(paths(open(t, main+"#main:ext/inner", Options{})), " "); got != "deep.txt" {
		t.Errorf("in a submodule: the tree is %s", got)
	}
	for _, name := range []string{"main", "lib", "deep"} {
		if err := os.Rename(filepath.Join(root, name, ".git"), filepath.Join(root, name+".git")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(root, name+".git"), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	server := gitServer(t, root)
	o := Options{Getenv: func(string) string { return "" }}
	if got := strings.Join(paths(open(t, "git+"+server.URL+"/main", o)), " "); got != want {
		t.Errorf("by http: the tree is %s, want %s", got, want)
	}
}

func TestSubmoduleErrors(t *testing.T) {
	hash := plumbing.NewHash(strings.Repeat("1", 40))
	for address, want := range map[string]string{
		"/etc":                      "a place on this machine",
		"file:///etc":               "a place on this machine",
		"../missing":                "no git repository",
		"ext::sh -c id":             "a place on this machine",
		"https://example.com/a.zip": "is no git repository",
		"ftp://example.com/a":       "none that can be fetched",
	} {
		dir := put(t, filepath.Join(t.TempDir(), "main"), map[string]string{"a": "a"})
		commitAll(t, dir, "main")
		withSubmodule(t, dir, "ext", address, hash)
		_, err := Open(t.Context(), "file://"+dir, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"ext"`) {
			t.Errorf("%s: error %v, want %q in it", address, err, want)
		}
	}
}

func TestJoinLocation(t *testing.T) {
	for _, c := range [][3]string{
		{"https://example.com/team/app.git", "../lib.git", "https://example.com/team/lib.git"},
		{"https://example.com/team/app.git", "./lib.git", "https://example.com/team/app.git/lib.git"},
		{"https://example.com/team/app.git", "../../x/./lib", "https://example.com/x/./lib"},
		{"https://me:x@example.com:8080/app", "../lib", "https://me:x@example.com:8080/lib"},
		{"git@example.com:team/app.git", "../lib.git", "git@example.com:team/lib.git"},
		{"git@example.com:app.git", "../lib.git", "git@example.com:lib.git"},
		{"git@[::1]:app.git", "../lib.git", "git@[::1]:lib.git"},
		{"/srv/app", "../lib", "/srv/lib"},
		{"/srv", "../lib", "/lib"},
		{"file:///srv/app", "../lib", "file:///srv/lib"},
		{"https://example.com/app", "../../lib", ""},
		{"https://example.com/app", "..", "https://example.com/"},
	} {
		got, err := joinLocation(c[0], c[1])
		if got != c[2] || (err == nil) == (c[2] == "") {
			t.Errorf("%s from %s is %q, want %q (%v)", c[1], c[0], got, c[2], err)
		}
	}
}

func TestHostileRepositories(t *testing.T) {
	dir := put(t, t.TempDir(), map[string]string{"a": "a"})
	commitAll(t, dir, "one")
	r, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	blob := func(content string) plumbing.Hash {
		o := r.Storer.NewEncodedObject()
		o.SetType(plumbing.BlobObject)
		w, err := o.Writer()
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
		hash, err := r.Storer.SetEncodedObject(o)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	file := func(name string) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob("x")}
	}
	link := func(name, target string) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Symlink, Hash: blob(target)}
	}
	bomb := func() []object.TreeEntry { // 10 directories of 10 directories …
		entries := []object.TreeEntry{file("f")}
		for range 10 {
			h := commitTree(t, r, entries)
			c, err := r.CommitObject(h)
			if err != nil {
				t.Fatal(err)
			}
			entries = nil
			for i := range 10 {
				entries = append(entries, object.TreeEntry{Name: fmt.Sprint("d", i), Mode: filemode.Dir, Hash: c.TreeHash})
			}
		}
		return entries
	}
	for name, c := range map[string]struct {
		entries []object.TreeEntry
		want    string
	}{
		".git":            {[]object.TreeEntry{file(".git")}, "impossible name"},
		".GIT":            {[]object.TreeEntry{file(".GIT")}, "impossible name"},
		"dots":            {[]object.TreeEntry{file("..")}, "impossible name"},
		"slash":           {[]object.TreeEntry{file("../../x")}, "impossible name"},
		"twice":           {[]object.TreeEntry{file("a"), file("a")}, "file exists"},
		"link and file":   {[]object.TreeEntry{link("a", "/tmp"), file("a")}, "file exists"},
		"absolute link":   {[]object.TreeEntry{link("a", "/etc/passwd")}, "absolute path"},
		"leaving link":    {[]object.TreeEntry{link("a", "../x")}, "leaves the tree"},
		"long link":       {[]object.TreeEntry{link("a", strings.Repeat("x", 5000))}, "larger than"},
		"empty link":      {[]object.TreeEntry{link("a", "")}, "proper target"},
		"missing content": {[]object.TreeEntry{{Name: "a", Mode: filemode.Regular, Hash: plumbing.NewHash("11")}}, `"a"`},
		"bomb":            {bomb(), "exceeds its limit"},
	} {
		t.Run(name, func(t *testing.T) {
			commitTree(t, r, c.entries)
			temp := t.TempDir()
			_, err := Open(t.Context(), "file://"+dir, Options{TempDir: temp, Limits: archive.Limits{Entries: 1000}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestEmptyRepository(t *testing.T) {
	dir := t.TempDir()
	r, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "file://"+dir, Options{}); err == nil || !strings.Contains(err.Error(), "no current branch") {
		t.Errorf("error %v", err)
	}
	_, _ = r.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{"https://example.com"}})
}

func TestOnlyOneCommitIsFetched(t *testing.T) {
	dir, first, second := repository(t)
	server := gitServer(t, filepath.Dir(dir))
	o := Options{Getenv: func(string) string { return "" }}.withDefaults()
	for revision, want := range map[string]plumbing.Hash{"main": second, "v1": first} {
		g := &gitSource{opts: o, temp: t.TempDir()}
		c, err := g.fetch(t.Context(), server.URL+"/"+filepath.Base(dir)+"/.git", revision)
		if err != nil {
			t.Fatal(err)
		}
		commits, err := c.objects.IterEncodedObjects(plumbing.CommitObject)
		if err != nil {
			t.Fatal(err)
		}
		var got []plumbing.Hash
		err = commits.ForEach(func(o plumbing.EncodedObject) error { got = append(got, o.Hash()); return nil })
		if d := cmp.Diff([]plumbing.Hash{want}, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", revision, err, d)
		}
	}
}
