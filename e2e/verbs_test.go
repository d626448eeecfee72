//go:build e2e

package e2e

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerbs does with an image from a Dockerfile and with one from buildpacks what people do with images, and lets
// skopeo and podman look at what comes out.
func TestVerbs(t *testing.T) {
	t.Parallel()
	built(t, "go-hello")
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM base\nRUN ln /etc/passwd /linked && rm /etc/group && mkdir -m 750 /d\nCMD [\"true\"]\n"})
	layout := strings.TrimSuffix(dockerfileBase(t), ":1")
	s2i("build", "--strategy", "dockerfile", dir, "-t", "verbs-dockerfile:1", "--build-context",
		"base="+strings.Replace(layout, "oci:", "oci-layout://", 1)+":1").run(t)
	for name, from := range map[string]string{"dockerfile": "verbs-dockerfile:1", "buildpacks": "apps-go-hello"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testVerbs(t, name, from)
		})
	}
}

func testVerbs(t *testing.T, name, from string) {
	dir, remote, local := t.TempDir(), ref("verbs/"+name+":1"), "verbs-"+name
	s2i("tag", from, local+":tagged").run(t)
	_, digest, _ := strings.Cut(s2i("push", local+":tagged", remote).run(t), "@")
	if got := (command{name: "skopeo", args: []string{"inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://" + remote}}).run(t); got != digest {
		t.Errorf("skopeo sees %s in the registry, want %s", got, digest)
	}
	if got := s2i("pull", remote, local+":pulled").run(t); !strings.HasSuffix(got, digest) {
		t.Errorf("pull says %q, want %s", got, digest)
	}
	archive, files := filepath.Join(dir, "image.tar"), filepath.Join(dir, "files.tar")
	s2i("save", local+":pulled", archive).run(t)
	if got := s2i("load", archive, local+":loaded").run(t); got != digest {
		t.Errorf("load says %q, want %s", got, digest)
	}
	s2i("export", local+":loaded", files).run(t)
	_, loaded, _ := strings.Cut(podman("load", "--input", archive).run(t), ": ")
	container := podman("create", strings.Fields(loaded)[0]).run(t)
	theirs := filepath.Join(dir, "theirs.tar")
	podman("export", "--output", theirs, container).run(t)
	podman("rm", container).run(t)
	want, got := contentOf(t, theirs), contentOf(t, files)
	for _, added := range []string{"dev", "proc", "sys", "run", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"} {
		if got[added] == "" { // mount points, which podman makes
			delete(want, added)
		}
	}
	maps.DeleteFunc(want, func(name, _ string) bool { return strings.HasPrefix(name, "run/") && got[name] == "" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("podman exports other files (-podman +s2i):\n%s", diff)
	}
	s2i("manifest", "create", local+"-index:1", local+":loaded").run(t)
	if out := s2i("manifest", "inspect", local+"-index:1").run(t); !strings.Contains(out, digest) {
		t.Errorf("the index lacks %s:\n%s", digest, out)
	}
	s2i("manifest", "push", local+"-index:1", ref("verbs/"+name+":index")).run(t)
	(command{name: "skopeo", args: []string{"inspect", "--tls-verify=false", "docker://" + ref("verbs/"+name+":index")}}).run(t)
	s2i("rm", local+":tagged", local+":pulled", local+":loaded", local+"-index:1").run(t)
}

// contentOf describes the files of an archive.
func contentOf(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for in := tar.NewReader(f); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")
		if name == "" || name == "." {
			continue
		}
		kind := h.Typeflag
		if kind == tar.TypeLink { // which of the names is the file differs
			out[name] = "hard link"
			out[strings.Trim(strings.TrimPrefix(h.Linkname, "./"), "/")] = "hard link"
			continue
		}
		if kind == tar.TypeSymlink {
			h.Mode = 0o777 // nobody looks at it
		}
		if out[name] == "" {
			out[name] = fmt.Sprintf("%c %o %d:%d %d %s", kind, h.Mode&0o7777, h.Uid, h.Gid, h.Size, h.Linkname)
		}
	}
}

// gitServer serves the repositories below a directory, to those who know the token.
func gitServer(t *testing.T, root string) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Stderr: io.Discard, Env: []string{"GIT_PROJECT_ROOT=" + root,
		"GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case strings.HasPrefix(r.URL.Path, "/files/"):
			if r.Header.Get("Authorization") != "Bearer file-t0ken" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = io.WriteString(w, "behind a token\n")
		case password != "git-t0ken":
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			backend.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestDockerfileFromGit builds from a private repository, and adds from one, with tokens that are secrets.
func TestDockerfileFromGit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := write(t, filepath.Join(root, "app.git"), map[string]string{
		"part/Dockerfile": "FROM scratch\nARG ADDRESS\nCOPY a.txt /\nADD $ADDRESS/files/x /x\nADD --keep-git-dir=true $ADDRESS/app.git?ref=v1 /src\n" +
			"ADD $ADDRESS/app.git#v1:part /part\n",
		"part/a.txt": "a\n", "run!": "#!/bin/sh\n",
	})
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x"}, {"tag", "v1"}} {
		command{name: "git", args: args, dir: dir}.run(t)
	}
	commit := command{name: "git", args: []string{"rev-parse", "HEAD"}, dir: dir}.run(t)
	address := gitServer(t, root)
	build := s2i("build", "--strategy", "dockerfile", address+"/app.git?branch=main&checksum="+commit+"&subdir=part",
		"--build-arg", "ADDRESS="+address, "-t", "from-git:1", "--secret", "id=GIT_AUTH_TOKEN,env=MY_GIT",
		"--secret", "id=HTTP_AUTH_TOKEN_"+strings.TrimPrefix(address, "http://")+",env=MY_FILE")
	build.env = []string{"MY_GIT=git-t0ken", "MY_FILE=file-t0ken"}
	build.run(t)
	files := filepath.Join(t.TempDir(), "files.tar")
	s2i("export", "from-git:1", files).run(t)
	got := contentOf(t, files)
	for name, want := range map[string]string{"a.txt": "0 644 0:0 2 ", "x": "0 600 0:0 15 ", "src/run": "0 755 0:0 10 ",
		"src/.git/HEAD": "0 644 0:0 41 ", "part/a.txt": "0 644 0:0 2 ", "part/.git": ""} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	// The environment's own token is for what the user names, not for what the Dockerfile does.
	build = s2i("build", "--strategy", "dockerfile", address+"/app.git#main:part", "--build-arg", "ADDRESS="+address, "-t", "from-git:2")
	build.env = []string{"GIT_TOKEN=git-t0ken"}
	build.fails(t, 52, "Dockerfile:4: ADD "+address+"/files/x", "403")
	// Neither are those of the home directory; a secret can be a whole header for one host.
	host := strings.TrimPrefix(address, "http://")
	netrc := filepath.Join(write(t, t.TempDir(), map[string]string{"netrc": "machine 127.0.0.1 login x password git-t0ken\n"}), "netrc")
	build = s2i("build", "--strategy", "dockerfile", address+"/app.git#main:part", "--build-arg", "ADDRESS="+address, "-t", "from-git:2",
		"--secret", "id=HTTP_AUTH_TOKEN_"+host+",env=MY_FILE")
	build.env = []string{"NETRC=" + netrc, "MY_FILE=file-t0ken"}
	build.fails(t, 52, "Dockerfile:5: ADD "+address+"/app.git?ref=v1", "authentication required")
	build.args = append(build.args, "--secret", "id=GIT_AUTH_HEADER."+host+",env=MY_HEADER")
	build.env = append(build.env, "MY_HEADER=Basic "+base64.StdEncoding.EncodeToString([]byte("x:git-t0ken")))
	build.run(t)
}
