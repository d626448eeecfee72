//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-cmp/cmp"

	"s2i/stacks"
	"s2i/stacks/npm"
)

// TestRebase builds an app of Node.js on a stack with an older patch version of it, and moves the image to the
// built-in stack.
func TestRebase(t *testing.T) {
	t.Parallel()
	r := newRebase(t)
	t.Run("dry run", r.dryRun)
	t.Run("local", r.local)
	t.Run("registry", r.registry)
	t.Run("published base", r.published)
	t.Run("index", r.index)
	t.Run("refused", r.refused)
	t.Run("equals rebuild", r.rebuild)
}

type rebaseTest struct {
	src, olderStack string
	older, newer    string // versions of Node.js
	image           string // in the registry, on the older stack
	before          inspected
}

func newRebase(t *testing.T) *rebaseTest {
	t.Helper()
	r := &rebaseTest{image: ref("rebase/app:1"), olderStack: t.TempDir()}
	r.src = write(t, t.TempDir(), map[string]string{
		"package.json":      `{"name": "tell", "version": "1.0.0", "private": true, "engines": {"node": "24"}, "scripts": {"start": "node tell.js"}}` + "\n",
		"package-lock.json": `{"name": "tell", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {"": {"name": "tell", "version": "1.0.0"}}}` + "\n",
		"tell.js":           "require('http').createServer((_, res) => res.end(process.version + '\\n')).listen(process.env.PORT)\n",
	})
	r.older, r.newer = writeOlderStack(t, r.olderStack)
	s2i("build", r.src, "--stack", r.olderStack, "-t", r.image, "-t", "rebase-app").run(t)
	r.before = inspect(t, r.image)
	r.answers(t, r.image, r.older)
	return r
}

// answers runs an image and expects the version of Node.js that it tells.
func (r *rebaseTest) answers(t *testing.T, image, version string) {
	t.Helper()
	t.Run("answer of "+version, func(t *testing.T) {
		port := freePort()
		serveS2I(t, image, port)
		if _, body := get(t, "http://127.0.0.1:"+port); body != "v"+version+"\n" {
			t.Errorf("%s answers %q, want v%s", image, body, version)
		}
	})
}

// moved expects that an image has the app's layers as they were, on a base with the newer Node.js.
func (r *rebaseTest) moved(t *testing.T, image string) inspected {
	t.Helper()
	after := inspect(t, image)
	if diff := cmp.Diff(r.before.layers(false), after.layers(false)); diff != "" {
		t.Errorf("layers of the app changed (-before +after):\n%s", diff)
	}
	if slices.Equal(r.before.layers(true), after.layers(true)) {
		t.Error("the base is the same as before")
	}
	r.answers(t, image, r.newer)
	return after
}

func (r *rebaseTest) dryRun(t *testing.T) {
	for _, image := range []string{"rebase-app", r.image} {
		_, report, err := s2i("rebase", "--dry-run", image).try(t.Context())
		if err != nil || !strings.Contains(report, r.newer) || !strings.Contains(report, r.older) {
			t.Errorf("a dry run of %s says (%v):\n%s", image, err, report)
		}
		if after := inspect(t, image); after.Digest != r.before.Digest {
			t.Errorf("a dry run changed %s", image)
		}
	}
}

func (r *rebaseTest) local(t *testing.T) {
	s2i("tag", "rebase-app", "rebase-local").run(t)
	s2i("rebase", "rebase-local").run(t)
	r.moved(t, "rebase-local")
}

func (r *rebaseTest) registry(t *testing.T) {
	s2i("rebase", r.image, "-t", ref("rebase/app:2")).run(t)
	after := r.moved(t, ref("rebase/app:2"))
	if local := inspect(t, "rebase-local"); local.Digest != after.Digest {
		t.Errorf("rebased in the registry: %s, in the store: %s", after.Digest, local.Digest)
	}
	crane(t, "validate", "--remote", ref("rebase/app:2")).run(t)
}

// published rebases onto a base from a registry, and expects the layers that crane rebase makes.
func (r *rebaseTest) published(t *testing.T) {
	older, newer := ref("rebase/base:older"), ref("rebase/base:newer")
	s2i("stack", "build", "--stack", r.olderStack, "--set", "base", "-t", older, "node").run(t)
	s2i("stack", "build", "--set", "base", "-t", newer, "node").run(t)
	s2i("rebase", r.image, "--run-image", newer, "-t", ref("rebase/app:3")).run(t)
	ours := r.moved(t, ref("rebase/app:3"))
	if !strings.HasPrefix(ours.Base.Reference, shared.registry+"/rebase/base@sha256:") {
		t.Errorf("the new base is recorded as %q", ours.Base.Reference)
	}
	crane(t, "rebase", r.image, "--old_base", older, "--new_base", newer, "--tag", ref("rebase/app:4")).run(t)
	var theirs struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal([]byte(crane(t, "manifest", ref("rebase/app:4")).run(t)), &theirs); err != nil {
		t.Fatal(err)
	}
	var layers []string
	for _, l := range theirs.Layers {
		layers = append(layers, l.Digest)
	}
	if diff := cmp.Diff(layers, append(ours.layers(true), ours.layers(false)...)); diff != "" {
		t.Errorf("layers (-crane +ours):\n%s", diff)
	}
}

func (r *rebaseTest) index(t *testing.T) {
	crane(t, "index", "append", "--manifest", r.image, "--tag", ref("rebase/index:1")).run(t)
	s2i("rebase", ref("rebase/index:1"), "-t", ref("rebase/index:2")).run(t)
	r.moved(t, ref("rebase/index:2"))
	if text := crane(t, "manifest", ref("rebase/index:2")).run(t); !strings.Contains(text, "index") {
		t.Errorf("the rebased index is none:\n%s", text)
	}
}

// refused tries bases that would break the app: one without Node.js, and one with another major version of it.
func (r *rebaseTest) refused(t *testing.T) {
	without, other := ref("rebase/base:without"), ref("rebase/base:other")
	s2i("stack", "build", "--set", "base", "-t", without).run(t)
	dir := t.TempDir()
	writeStack(t, dir, func(text string, lock *stacks.Lock) string {
		return strings.Replace(text, `default = "24"`+"\n"+`dest = "/usr/local"`+"\n", `default = "22"`+"\n"+`dest = "/usr/local"`+"\n", 1)
	})
	s2i("stack", "build", "--stack", dir, "--set", "base", "-t", other, "node").run(t)
	for _, base := range []string{without, other} {
		s2i("rebase", r.image, "--run-image", base).fails(t, 72, r.image, "node")
		if after := inspect(t, r.image); after.Digest != r.before.Digest {
			t.Errorf("a refused rebase onto %s changed the image", base)
		}
	}
}

// rebuild expects that building on the new stack gives what rebasing gives, but for the record of the build: that goes
// on telling of the build that was.
func (r *rebaseTest) rebuild(t *testing.T) {
	s2i("build", r.src, "-t", "rebase-rebuilt", "--no-cache").run(t)
	rebuilt, rebased := inspect(t, "rebase-rebuilt"), inspect(t, "rebase-local")
	for _, d := range []*inspected{&rebuilt, &rebased} {
		delete(d.Labels, "io.s2i.plan")
		d.Digest = ""
	}
	if diff := cmp.Diff(rebuilt, rebased); diff != "" {
		t.Errorf("(-rebuilt +rebased):\n%s", diff)
	}
}

// writeOlderStack writes the built-in stack with the last but one version of Node.js 24 into dir.
func writeOlderStack(t *testing.T, dir string) (older, newer string) {
	t.Helper()
	writeStack(t, dir, func(text string, lock *stacks.Lock) string {
		i := slices.IndexFunc(lock.Tools["node"], func(tool stacks.Tool) bool { return strings.HasPrefix(tool.Version, "24.") })
		tool := &lock.Tools["node"][i]
		newer = tool.Version
		files := map[string]stacks.ToolFile{}
		for arch, file := range tool.Files {
			v := versionBefore(t, lock, file.Name, newer)
			older = v.Version
			files[arch] = stacks.ToolFile{Name: file.Name, Version: v.Version, Integrity: v.Integrity}
		}
		tool.Version, tool.Files, tool.Sites = older, files, nil
		return text
	})
	return older, newer
}

// versionBefore asks the npm registry that this machine uses for the version before one of the same major number.
func versionBefore(t *testing.T, lock *stacks.Lock, name, newer string) npm.Version {
	t.Helper()
	sources, err := stacks.LoadSources(context.Background(), lock, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := npm.New(sources.NPM, sources.Fetch)
	if err != nil {
		t.Fatal(err)
	}
	list, err := registry.Versions(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	limit, best := semver.MustParse(newer), semver.MustParse("0.0.0")
	var found npm.Version
	for _, one := range list {
		v, err := semver.NewVersion(one.Version)
		if err == nil && v.Major() == limit.Major() && v.LessThan(limit) && v.GreaterThan(best) && v.Prerelease() == "" {
			best, found = v, one
		}
	}
	if found.Version == "" {
		t.Fatalf("the registry has no version of %s before %s", name, newer)
	}
	return found
}

// writeStack writes a changed copy of the built-in stack into dir.
func writeStack(t *testing.T, dir string, change func(text string, lock *stacks.Lock) string) {
	t.Helper()
	from := filepath.Join(shared.root, "stacks", "trixie")
	lock, err := stacks.ReadLock(filepath.Join(from, stacks.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(from, stacks.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(text), lock)
	lock.Config = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(changed)))
	data, err := lock.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{stacks.ConfigFile: changed, stacks.LockFile: string(data)})
}
