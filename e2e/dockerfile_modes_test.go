//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// modeCases are the Dockerfiles that are built in every mode: users, owners, setuid bits, links, deletions, mounts.
var modeCases = []string{ //nolint:gochecknoglobals // constant
	"modes-owners", "modes-trees", "modes-mounts", "run-removes-files", "run-xattrs-and-modes",
	"hardlinks-across-layers", "copy-chown", "copy-setuid",
}

// TestDockerfileModes builds the same Dockerfiles as root; as an ordinary user with subordinate ids, and without; and as
// root of a container with podman's default capabilities, where no sandbox can be made: in place, which is what such a
// container without files of its own gets, and with the image as the root directory. All expect the same digest.
func TestDockerfileModes(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user; an ordinary user's run of this suite covers the rest")
	}
	subordinate := userWithSubordinateIDs()
	if subordinate == "" {
		t.Fatal("no ordinary user has subordinate ids in /etc/subuid")
	}
	base := strings.TrimSuffix(strings.TrimPrefix(dockerfileBase(t), "oci:"), ":1")
	places := map[string]string{}
	for name, user := range map[string]string{"root": "root", "subordinate": subordinate, "single": "nobody", "container": "root"} {
		places[name] = modePlace(t, user, base)
	}
	for _, name := range modeCases {
		t.Run(name, func(t *testing.T) {
			c := readCase(t, filepath.Join("testdata", "dockerfiles", name+".txtar"))
			want := inMode(t, c, places["root"], "root")
			for mode, user := range map[string]string{"subordinate": subordinate, "single": "nobody"} {
				expect(t, mode, inMode(t, c, places[mode], user), want)
			}
			for _, isolation := range []string{"auto", "direct"} {
				expect(t, "container, "+isolation, inContainer(t, c, places["container"], isolation), want)
			}
		})
	}
}

func expect(t *testing.T, mode, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", mode, got, want)
	}
}

// modePlace makes a directory that a user has for its own, with the program and the base image.
func modePlace(t *testing.T, user, base string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "s2i-mode-") //nolint:usetesting // an ordinary user reaches it, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	command{name: "cp", args: []string{shared.s2i, filepath.Join(dir, "s2i")}}.run(t)
	command{name: "cp", args: []string{"-r", base, filepath.Join(dir, "base")}}.run(t)
	command{name: "mkdir", args: []string{filepath.Join(dir, "tmp")}}.run(t)
	command{name: "chown", args: []string{"-R", user + ":", dir}}.run(t)
	return dir
}

// modeArgs are the arguments of a build that has all it needs in a directory, which it finds under a name of its own.
func modeArgs(t *testing.T, c *dockerfileCase, dir, seen string) []string {
	t.Helper()
	_ = os.RemoveAll(filepath.Join(dir, "context"))
	command{name: "cp", args: []string{"-a", c.dir, filepath.Join(dir, "context")}}.run(t)
	return append([]string{"--store", seen + "/store", "build", "--strategy", "dockerfile", seen + "/context", "-t", "case",
		"--build-context", "base=oci-layout://" + seen + "/base:1"}, c.args...)
}

// inMode builds a case as a user of this machine.
func inMode(t *testing.T, c *dockerfileCase, dir, user string) string {
	t.Helper()
	args := []string{"--reuid=" + user, "--regid=" + group(t, user), "--clear-groups", "--", "env", "HOME=" + dir,
		"TMPDIR=" + dir + "/tmp", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", filepath.Join(dir, "s2i")}
	args = append(args, modeArgs(t, c, dir, dir)...)
	return digestOf(t, command{name: "setpriv", dir: "/", args: args}.run(t))
}

// inContainer builds a case as root of a container that has nothing but the program.
func inContainer(t *testing.T, c *dockerfileCase, dir, isolation string) string {
	t.Helper()
	_ = os.RemoveAll(filepath.Join(dir, "store"))
	root := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(filepath.Join(root, "build"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--rm", "--network", "host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
		"-v", dir + ":/build", "-e", "HOME=/build", "--rootfs", root, "/build/s2i"}
	args = append(args, modeArgs(t, c, dir, "/build")...)
	out := digestOf(t, podman(append(args, "--isolation", isolation)...).run(t))
	for _, name := range []string{"usr", ".s2i/aside"} {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			t.Errorf("the build has left /%s in the container's own root directory", name)
		}
	}
	return out
}
