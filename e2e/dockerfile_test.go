//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"
)

// TestDockerfiles builds every testdata/dockerfiles/*.txtar with s2i and with Debian's buildah, and compares what comes
// out: every file's type, mode, owner, size, content, link and extended attributes, and the configuration.
//
// A case is a Dockerfile with its context. Lines before the first file are settings:
//
//	args: --target=x --build-arg A=1   options for both
//	want: PATH = CONTENT               expected of s2i's image alone, for what buildah does otherwise
//	alone: REASON                      is not given to buildah
//	fails: WORDS                       s2i must refuse it, with these words
//
// A file setup.sh runs in the context before the build: for links, modes, archives. FROM base is a small image with
// busybox.
func TestDockerfiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dockerfiles/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no Dockerfiles to build: %v", err)
	}
	base := dockerfileBase(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			c := readCase(t, file)
			c.base = base
			c.check(t)
		})
	}
}

// dockerfileCase is one of the Dockerfiles.
type dockerfileCase struct {
	dir, base    string
	args         []string
	want         map[string]string
	alone, fails string
}

func readCase(t *testing.T, file string) *dockerfileCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &dockerfileCase{dir: t.TempDir(), want: map[string]string{}}
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !ok:
		case key == "args":
			c.args = strings.Fields(value)
		case key == "alone":
			c.alone = value
		case key == "fails":
			c.fails = value
		case key == "want":
			path, content, _ := strings.Cut(value, " = ")
			c.want[path] = content
		}
	}
	for _, f := range archive.Files {
		name := filepath.Join(c.dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	setup := filepath.Join(c.dir, "setup.sh")
	if _, err := os.Stat(setup); err == nil {
		command{name: "sh", args: []string{"-e", "setup.sh"}, dir: c.dir}.run(t)
		if err := os.Remove(setup); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// dockerfileBase gives the base image of all cases: Debian's busybox under all its names, in a layout. It is one small
// layer, since every case has both builders copy it, unpack it and look at it.
func dockerfileBase(t *testing.T) string {
	t.Helper()
	base, err := makeDockerfileBase()
	if err != nil {
		t.Fatal(err)
	}
	return base
}

var makeDockerfileBase = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // one for all tests
	dir := filepath.Join(shared.dir, "dockerfile-base")
	text := "FROM store:busybox-static:1 AS all\nUSER root\nRUN [\"/usr/bin/busybox\", \"--install\", \"-s\", \"/usr/bin\"]\n" +
		"RUN printf 'root:x:0:0:root:/root:/bin/sh\\nalice:x:1001:1002:Alice:/home/alice:/bin/sh\\n' >/etc/passwd && " +
		"printf 'root:x:0:\\nalice:x:1002:\\nstaff:x:50:alice\\n' >/etc/group && " +
		"rm -rf /usr/share /usr/lib/*-linux-gnu* /var/lib/dpkg /etc/ssl /workspace /layers\n" +
		"FROM scratch\nCOPY --from=all / /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	if err := os.MkdirAll(filepath.Join(dir, "context"), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "context", "Dockerfile"), []byte(text), 0o644); err != nil {
		return "", err
	}
	base := "oci:" + filepath.Join(dir, "layout") + ":1"
	for _, c := range []command{
		s2i("stack", "build", "--set", "static", "-t", "busybox-static:1", "busybox-static"),
		s2i("build", "-f", filepath.Join(dir, "context", "Dockerfile"), filepath.Join(dir, "context"), "-t", base),
	} {
		if _, text, err := c.try(context.Background()); err != nil {
			return "", fmt.Errorf("making the base of Dockerfiles: %w\n%s", err, text)
		}
	}
	return base, nil
})

func (c *dockerfileCase) check(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "ours")
	args := append([]string{"build", "--strategy", "dockerfile", c.dir, "-t", "oci:" + layout + ":1",
		"--build-context", "base=" + strings.Replace(strings.TrimSuffix(c.base, ":1"), "oci:", "oci-layout://", 1) + ":1"}, c.args...)
	if c.fails != "" {
		out, errOut, err := s2i(args...).try(t.Context())
		if err == nil || !strings.Contains(errOut, c.fails) {
			t.Errorf("got %v, want an error with %q:\n%s%s", err, c.fails, out, errOut)
		}
		return
	}
	s2i(args...).run(t)
	ours := unpackImage(t, layout)
	for path, content := range c.want {
		if got := ours.describe(path); got != content {
			t.Errorf("%s is %q, want %q", path, got, content)
		}
	}
	if c.alone != "" {
		return
	}
	theirs := c.buildah(t)
	if diff := cmp.Diff(theirs.files, ours.files); diff != "" {
		t.Errorf("files (-buildah +s2i):\n%s", diff)
	}
	if diff := cmp.Diff(theirs.config, ours.config); diff != "" {
		t.Errorf("configuration (-buildah +s2i):\n%s", diff)
	}
}

// buildah builds the case with buildah.
func (c *dockerfileCase) buildah(t *testing.T) *unpacked {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "Dockerfile")
	for _, from := range []string{"FROM base", "from base"} {
		text = bytes.ReplaceAll(text, []byte(from), []byte("FROM "+c.base))
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	layout := filepath.Join(t.TempDir(), "theirs")
	args := append([]string{"bud", "--runtime", "runc", "--isolation", "oci", "--network", "host", "--format", "docker",
		"--layers=false", "-f", file}, c.args...)
	if !dockerOnly.Match(text) {
		buildah(t, append(args, "-t", "oci:"+layout+":1", c.dir)...)
		return unpackImage(t, layout)
	}
	name := "case-" + strings.ToLower(filepath.Base(t.Name()))
	buildah(t, append(args, "-t", name, c.dir)...)
	buildah(t, "push", name, "oci:"+layout+":1")
	u := unpackImage(t, layout)
	var about struct {
		Docker struct {
			Config map[string]any `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(buildah(t, "inspect", "--type", "image", name)), &about); err != nil {
		t.Fatal(err)
	}
	u.config = about.Docker.Config
	tidy(u.config)
	return u
}

// dockerOnly finds instructions that buildah loses on the way into a layout.
var dockerOnly = regexp.MustCompile(`(?mi)^\s*(HEALTHCHECK|ONBUILD|SHELL)\s`)

var buildahStorage = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // one for all tests
	dir := filepath.Join(shared.dir, "buildah")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\nrunroot = %q\ngraphroot = %q\n", dir+"/run", dir+"/graph")
	stops = append(stops, func() { _ = syscall.Unmount(filepath.Join(dir, "graph", "overlay"), syscall.MNT_DETACH) })
	return filepath.Join(dir, "storage.conf"), os.WriteFile(filepath.Join(dir, "storage.conf"), []byte(text), 0o644)
})

func buildah(t *testing.T, args ...string) string {
	t.Helper()
	conf, err := buildahStorage()
	if err != nil {
		t.Fatal(err)
	}
	return command{name: "buildah", args: args, env: []string{"CONTAINERS_STORAGE_CONF=" + conf}}.run(t)
}

// unpacked is an image as its files and its configuration are on disk.
type unpacked struct {
	root   string
	files  map[string]string
	config map[string]any
}

// unpackImage unpacks an image in a layout by umoci.
func unpackImage(t *testing.T, layout string) *unpacked {
	t.Helper()
	u := &unpacked{root: filepath.Join(t.TempDir(), "rootfs"), files: map[string]string{}}
	command{name: "umoci", args: []string{"raw", "unpack", "--image", layout + ":1", u.root}}.run(t)
	err := filepath.WalkDir(u.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(u.root, path)
		if slices.Contains([]string{"etc/hosts", "etc/hostname", "etc/resolv.conf"}, rel) {
			return nil // what buildah mounts there it leaves behind
		}
		u.files["/"+rel], err = describeFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Config map[string]any `json:"config"`
	}
	blob(t, layout, configOf(t, layout), &config)
	u.config = config.Config
	tidy(u.config)
	return u
}

// configOf gives the digest of the configuration of the one image in a layout.
func configOf(t *testing.T, layout string) string {
	t.Helper()
	type descriptor struct{ Digest string }
	var index struct{ Manifests []descriptor }
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil || len(index.Manifests) != 1 {
		t.Fatalf("the index of %s: %v\n%s", layout, err, data)
	}
	var manifest struct{ Config descriptor }
	blob(t, layout, index.Manifests[0].Digest, &manifest)
	return manifest.Config.Digest
}

// blob reads JSON out of a layout.
func blob(t *testing.T, layout, digest string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(layout, "blobs", strings.Replace(digest, ":", "/", 1)))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("blob %s of %s: %v", digest, layout, err)
	}
}

// tidy takes away what the builders note about themselves, and empty values.
func tidy(config map[string]any) {
	if labels, ok := config["Labels"].(map[string]any); ok {
		for name := range labels {
			if name == "io.buildah.version" || strings.HasPrefix(name, "io.buildpacks.") || strings.HasPrefix(name, "io.s2i.") {
				delete(labels, name)
			}
		}
	}
	if env, ok := config["Env"].([]any); ok { // a variable that is set again stays where it was, or moves to the end
		slices.SortFunc(env, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	for name, value := range config {
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				delete(config, name)
			}
		case []any:
			if len(v) == 0 {
				delete(config, name)
			}
		case string:
			if v == "" || name == "WorkingDir" && v == "/" || name == "Hostname" {
				delete(config, name)
			}
		case bool:
			if !v {
				delete(config, name)
			}
		case nil:
			delete(config, name)
		}
	}
}

// describeFile is everything about a file that matters in an image, but its time.
func describeFile(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%06o %d:%d", st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return text + " -> " + target, err
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(" %d %x", st.Size, sha256.Sum256(data))
	}
	return text + attributes(path), nil
}

func attributes(path string) string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return ""
	}
	var out []string
	for _, name := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "user.") || name == "security.capability" {
			value := make([]byte, 4096)
			if n, err := unix.Lgetxattr(path, name, value); err == nil {
				out = append(out, fmt.Sprintf(" %s=%x", name, value[:n]))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// describe tells of a file what a case's want lines say: its content, "absent", or with a question mark after the path
// its mode and owner.
func (u *unpacked) describe(path string) string {
	if name, ok := strings.CutSuffix(path, "?"); ok {
		fields := strings.Fields(u.files[name])
		return strings.Join(fields[:min(2, len(fields))], " ")
	}
	if _, ok := u.files[path]; !ok {
		return "absent"
	}
	data, err := os.ReadFile(filepath.Join(u.root, path))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}
