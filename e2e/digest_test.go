//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sameDigest are the apps whose digest every run compares: one of each kind.
var sameDigest = []string{ //nolint:gochecknoglobals // constant
	"go-hello", "go-cgo", "node-npm-express", "node-pnpm-workspace", "node-vite-spa", "py-fastapi-uv", "java-plain-main",
	"rust-workspace", "ruby-vendored", "php-plain", "static-html", "deno-serve",
}

// TestSameDigest builds the same source under conditions that must not matter, several of them at a time. The program
// is static and does not see faketime's clock, but what runs in its sandbox would, and files carry other times.
func TestSameDigest(t *testing.T) {
	t.Parallel()
	names := sameDigest
	if all() {
		names = apps(t)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := built(t, name)
			tag := "digest-" + name
			elsewhere := copyApp(t, name)
			args := append([]string{"build", elsewhere, "-t", tag}, options(t, name)...)
			otherwise := withEnv(s2i(append(args, "--no-cache")...), "TZ=Asia/Kathmandu", "LANG=C")
			otherwise = wrap("faketime", wrap("taskset", otherwise, "-c", "0"), "2001-02-03 04:05:06")
			expectDigest(t, want, "known result", s2i(args...))
			expectDigest(t, want, "other directory, times, time zone and clock, one CPU, no cache", otherwise)
		})
	}
}

// TestSameDigestAsAnotherUser builds as ordinary users, with a store of their own, and expects root's digest: as one
// without subordinate ids, and as one who has them, if there is such a user.
func TestSameDigestAsAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user; an ordinary user's run of this suite covers the rest")
	}
	users := map[string]string{"single id": "nobody"}
	if name := userWithSubordinateIDs(); name != "" {
		users["subordinate ids"] = name
	} else {
		t.Log("no ordinary user has subordinate ids in /etc/subuid: only a single id is tested")
	}
	for mode, user := range users {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"go-hello", "node-npm-express"} {
				want := built(t, name)
				expectDigest(t, want, "as "+user, asUser(t, user, name))
			}
		})
	}
}

// asUser is a build of an app by another user with a home and a store of its own.
func asUser(t *testing.T, user, name string) command {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "s2i-user-") //nolint:usetesting // an ordinary user reaches it, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, source, store := filepath.Join(dir, "s2i"), filepath.Join(dir, "src"), filepath.Join(dir, "store")
	command{name: "cp", args: []string{shared.s2i, binary}}.run(t)
	command{name: "cp", args: []string{"-r", app(name), source}}.run(t)
	if err := os.MkdirAll(filepath.Join(store, "downloads"), 0o755); err != nil {
		t.Fatal(err)
	}
	command{name: "sh", args: []string{"-c", `cp "$1"/downloads/* "$2"/downloads/ || true`, "sh", shared.store, store}}.run(t)
	command{name: "chown", args: []string{"-R", user + ":", dir}}.run(t)
	return command{name: "setpriv", dir: "/", args: []string{
		"--reuid=" + user, "--regid=" + group(t, user), "--clear-groups", "--",
		"env", "HOME=" + dir, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", binary, "--store", store, "build", source, "-t", "digest-user",
	}}
}

func group(t *testing.T, user string) string {
	t.Helper()
	return command{name: "id", args: []string{"-g", user}}.run(t)
}

// userWithSubordinateIDs finds an ordinary user of this machine who has subordinate ids.
func userWithSubordinateIDs() string {
	text, _ := os.ReadFile("/etc/subuid")
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		if name != "root" && exec.Command("id", "-u", name).Run() == nil {
			return name
		}
	}
	return ""
}

func expectDigest(t *testing.T, want, condition string, c command) {
	t.Helper()
	if got := digestOf(t, c.run(t)); got != want {
		t.Errorf("%s: %s, want %s", condition, got, want)
	}
}

func wrap(name string, c command, args ...string) command {
	return command{name: name, args: append(append(args, c.name), c.args...), dir: c.dir, env: c.env}
}

func withEnv(c command, env ...string) command {
	c.env = append(c.env, env...)
	return c
}

// digestOf takes the digest from a build's output, name@sha256:….
func digestOf(t *testing.T, out string) string {
	t.Helper()
	_, digest, ok := strings.Cut(strings.Split(out, "\n")[0], "@")
	if !ok || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("%q is no name@sha256:…", out)
	}
	return digest
}

// copyApp copies a sample app somewhere else, with other times.
func copyApp(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "elsewhere", name)
	if err := os.CopyFS(dir, os.DirFS(app(name))); err != nil {
		t.Fatal(err)
	}
	past := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, past, past)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
