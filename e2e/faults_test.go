//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRegistryFaults pushes to and pulls from a registry that misbehaves, at first or for good.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	want := built(t, "go-hello")
	status := func(code int, until int) fault {
		return fault{answer: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > until {
				return false
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(code)
			return true
		}}
	}
	blobs := func(change func([]byte) []byte, until int) fault {
		return fault{body: func(r *http.Request, n int, body []byte) []byte {
			if n > until || !strings.Contains(r.URL.Path, "/blobs/") {
				return body
			}
			return change(body)
		}}
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	const always = 1 << 30
	for name, f := range map[string]struct {
		fault
		passes bool
	}{
		"500 once":        {status(500, 1), true},
		"429 once":        {status(429, 1), true},
		"cut short once":  {blobs(half, 1), true},
		"500":             {status(500, always), false},
		"429":             {status(429, always), false},
		"cut short":       {blobs(half, always), false},
		"wrong digest":    {blobs(flip, always), false},
		"wrong manifests": {fault{body: func(_ *http.Request, _ int, b []byte) []byte { return flip(b) }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := registryProxy(t)
			host := strings.TrimPrefix(p.url, "http://")
			image := host + "/faults/" + strings.ReplaceAll(name, " ", "-") + ":1"
			store := ownStore(t)
			push := s2i("push", "apps-go-hello", image)
			pull := in(store, "pull", image, "pulled")
			if f.passes {
				p.set(f.fault)
				expectDigest(t, want, "push", push)
				p.set(f.fault)
				expectDigest(t, want, "pull", pull)
				return
			}
			if f.answer != nil { // else only what is read is spoiled
				p.set(f.fault)
				_, text, err := push.try(t.Context())
				refused(t, "push", text, err, host)
			}
			p.set(fault{})
			expectDigest(t, want, "the next push", push)
			p.set(f.fault)
			_, text, err := pull.try(t.Context())
			refused(t, "pull", text, err, host)
			if f.answer == nil && !strings.Contains(text, "sha256:") {
				t.Errorf("the error names no digest: %s", text)
			}
			p.set(fault{})
			expectDigest(t, want, "the next pull", pull)
		})
	}
}

// refused expects a failure with a readable error that names where it happened.
func refused(t *testing.T, what, text string, err error, words ...string) {
	t.Helper()
	if code(err) <= 0 || code(err) == 2 {
		t.Errorf("%s: exit code %d\n%s", what, code(err), text)
	}
	expectIn(t, text, words...)
}

// TestTampered gets packages from mirrors that change a byte of one file, and then from the same mirrors without that.
func TestTampered(t *testing.T) {
	t.Parallel()
	built(t, "node-npm-express")
	for name, c := range map[string]struct {
		file string // a part of the changed file's path
		args []string
		word string
	}{
		"deb":  {"/tzdata_", []string{"stack", "build", "--set", "static", "-t", "tampered"}, "tzdata"},
		"node": {"/node-linux-", []string{"stack", "build", "--set", "base", "-t", "tampered", "node"}, "node"},
		"go":   {"linux-amd64.zip", []string{"stack", "build", "--image", "build", "-t", "tampered", "go"}, "go"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mirror(t)
			p.set(fault{body: func(r *http.Request, _ int, body []byte) []byte {
				if strings.Contains(r.URL.Path, c.file) {
					return flip(body)
				}
				return body
			}})
			store := t.TempDir()
			build := withEnv(in(store, c.args...), p.env()...)
			_, text, err := build.try(t.Context())
			refused(t, "tampered", text, err, c.word)
			if !strings.Contains(text, "integrity") && !strings.Contains(text, "checksum") && !strings.Contains(text, "sha") {
				t.Errorf("the error does not say what is wrong:\n%s", text)
			}
			p.set(fault{})
			want := digestOf(t, s2i(c.args...).run(t))
			expectDigest(t, want, "the next build", build)
		})
	}
}

// TestTamperedDependency builds with an npm registry that changes a byte of one of the app's dependencies.
func TestTamperedDependency(t *testing.T) {
	t.Parallel()
	want := built(t, "node-npm-express")
	p := mirror(t)
	p.set(fault{body: func(r *http.Request, _ int, body []byte) []byte {
		if strings.Contains(r.URL.Path, "/express-") {
			return flip(body)
		}
		return body
	}})
	build := withEnv(s2i("build", app("node-npm-express"), "-t", "tampered-dependency", "--no-cache",
		"-e", "npm_config_fetch_retries=0"), "npm_config_registry="+p.url+"/npm") // npm waits a minute between tries
	build.fails(t, 51, "s2i/node", "express")
	p.set(fault{})
	expectDigest(t, want, "the next build", build)
}

// TestTamperedIndex locks a stack with a package index whose signature does not fit.
func TestTamperedIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared.root, "stacks", "trixie"))); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "stack.lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	p := mirror(t)
	p.set(fault{body: func(r *http.Request, _ int, body []byte) []byte {
		if strings.HasSuffix(r.URL.Path, "/InRelease") {
			return bytes.Replace(body, []byte("Origin: Debian"), []byte("Origin: debian"), 1)
		}
		return body
	}})
	withEnv(in(t.TempDir(), "stack", "lock", dir), p.env()...).fails(t, 1, "signature", strings.TrimPrefix(p.url, "http://"))
	after, err := os.ReadFile(filepath.Join(dir, "stack.lock.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the lock changed (%v)", err)
	}
}

// TestDamagedDownload changes a byte of a package that the store downloaded before.
func TestDamagedDownload(t *testing.T) {
	t.Parallel()
	p := mirror(t)
	store := t.TempDir()
	build := func(tag string) command {
		return withEnv(in(store, "stack", "build", "--set", "static", "-t", tag), p.env()...)
	}
	want := digestOf(t, build("first").run(t))
	downloads, err := filepath.Glob(filepath.Join(store, "downloads", "sha256-*"))
	if err != nil || len(downloads) == 0 {
		t.Fatalf("no downloads: %v", err)
	}
	kept := t.TempDir() // another store, which has the downloads and nothing made of them
	for i, d := range downloads {
		data, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			data = flip(data)
		}
		if err := os.WriteFile(filepath.Join(kept, filepath.Base(d)), data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	store = t.TempDir()
	if err := os.Rename(kept, filepath.Join(store, "downloads")); err != nil {
		t.Fatal(err)
	}
	expectDigest(t, want, "with a damaged download", build("second"))
	if text := log(t, build("third")); strings.Contains(text, "damaged") {
		t.Errorf("the download is still damaged: %s", text)
	}
}

// TestDiskFull composes and builds in a store on a small file system, which then grows.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	p := mirror(t)
	args := append([]string{"build", "-t", "full"}, tinyApp(t)...)
	want := digestOf(t, s2i(args...).run(t))
	dir := t.TempDir()
	// In a mount namespace of its own; as an ordinary user, also in a user namespace, where it is root. What fills the
	// file system shrinks, since an ordinary user cannot let the file system grow.
	script := fmt.Sprintf(`set -u
mount -t tmpfs -o size=512m tmpfs %[1]s
head -c 500m /dev/zero >%[1]s/filler
for filler in 480 448 384; do
  "$@" && echo "nothing failed with less than $filler MB taken" >&2 && exit 3
  truncate -s "$filler"m %[1]s/filler
done
rm %[1]s/filler
exec "$@"`, dir)
	flags := "-m"
	if os.Getuid() != 0 {
		flags = "-Urm"
	}
	c := wrap("unshare", withEnv(in(filepath.Join(dir, "store"), args...), p.env()...), flags, "sh", "-c", script, "sh")
	out, text, err := c.try(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := digestOf(t, out); got != want {
		t.Errorf("after the disk was full: %s, want %s", got, want)
	}
	if n := strings.Count(text, "no space left on device"); n < 3 {
		t.Errorf("%d of 3 errors say that the disk is full:\n%s", n, text)
	}
}
