//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
)

// index is what skopeo tells of an index.
type index struct {
	MediaType string
	Manifests []struct {
		Digest      string
		Annotations map[string]string
		Platform    struct{ OS, Architecture, Variant string }
	}
	Annotations map[string]string
}

func readIndex(t *testing.T, ref string) index {
	t.Helper()
	raw := command{name: "skopeo", args: []string{"inspect", "--tls-verify=false", "--raw", ref}}.run(t)
	var x index
	if err := json.Unmarshal([]byte(raw), &x); err != nil {
		t.Fatal(err)
	}
	return x
}

// platformLayout copies the image of one platform out of a registry.
func platformLayout(t *testing.T, ref, arch string) string {
	t.Helper()
	layout := filepath.Join(t.TempDir(), arch)
	command{name: "skopeo", args: []string{"copy", "--quiet", "--src-tls-verify=false", "--override-arch", arch, "docker://" + ref, "oci:" + layout + ":1"}}.run(t)
	return layout
}

// foreign is an architecture that this machine is not.
func foreign() string {
	if goruntime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// platformsBase makes a base image for two platforms, in the registry.
func platformsBase(t *testing.T) string {
	t.Helper()
	for _, arch := range []string{"amd64", "arm64"} {
		s2i("stack", "build", "--set", "static", "--arch", arch, "-t", "busybox-"+arch+":1", "busybox-static").run(t)
	}
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "ARG TARGETARCH\nFROM busybox-${TARGETARCH}:1\nUSER root\n" +
		"RUN [\"/usr/bin/busybox\", \"--install\", \"-s\", \"/usr/bin\"]\n"})
	base := ref("platforms-base:1")
	s2i("build", "--strategy", "dockerfile", dir, "--platform", "linux/amd64,linux/arm64", "-t", base).run(t)
	return base
}

const platformsDockerfile = `ARG BASE
FROM --platform=$BUILDPLATFORM $BASE AS shared
RUN cat /proc/sys/kernel/random/uuid >/uuid
FROM --platform=$BUILDPLATFORM $BASE AS cross
ARG TARGETPLATFORM TARGETOS TARGETARCH BUILDPLATFORM TARGETSTAGE
RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $BUILDPLATFORM $TARGETSTAGE" >/args && uname -m >/machine
FROM $BASE AS native
COPY --from=shared /uuid /uuid
COPY --from=cross /args /machine /
FROM native
RUN uname -m >/own && ls -l /own && sh -c 'cat /uuid' >/copied && chown 12:34 /copied && chmod u+s /copied
CMD ["cat", "/own"]
`

// TestPlatforms builds a Dockerfile for two platforms: what they share is built once, what compiles for the other runs
// natively, and what runs there is emulated.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	base := platformsBase(t)
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": platformsDockerfile})
	tag, out := ref("platforms:1"), t.TempDir()
	archive, layout := filepath.Join(out, "app.tar"), filepath.Join(out, "layout")
	args := []string{"build", "--strategy", "dockerfile", dir, "--build-arg", "BASE=" + base, "--platform", "linux/amd64,linux/arm64/v8",
		"--metadata-file", filepath.Join(out, "metadata"), "--iidfile", filepath.Join(out, "iid"), "--digest-file", filepath.Join(out, "digest"),
		"--annotation", "index:of=index", "--annotation", "manifest[linux/" + foreign() + "]:of=one", "--annotation", "manifest-descriptor:of=entry",
		"--annotation", "all=manifests"}
	printed := s2i(append(args, "-t", tag, "-t", "oci:"+layout+":1", "-t", "docker-archive:"+archive)...).run(t)

	x := readIndex(t, "docker://"+tag)
	if len(x.Manifests) != 2 || x.Manifests[0].Platform.Architecture != "amd64" || x.Manifests[1].Platform.Architecture != "arm64" ||
		x.Annotations["of"] != "index" || x.Manifests[0].Annotations["of"] != "entry" {
		t.Fatalf("the index is %+v", x)
	}
	digest := readFile(t, filepath.Join(out, "digest"))
	expectIn(t, printed, tag[:strings.LastIndex(tag, ":")]+"@"+digest)
	if iid := readFile(t, filepath.Join(out, "iid")); iid != digest {
		t.Errorf("--iidfile has %s, not %s", iid, digest)
	}
	expectIn(t, readFile(t, filepath.Join(out, "metadata")), `"platform": "linux/arm64"`, x.Manifests[1].Digest)
	uuid := map[string]bool{}
	for _, arch := range []string{"amd64", "arm64"} {
		one := platformLayout(t, tag, arch)
		files := unpackImage(t, one)
		machine, native := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}, map[string]string{}
		native["/own"], native["/machine"] = machine[arch], machine[goruntime.GOARCH]
		native["/args"] = "linux/" + arch + " linux " + arch + " linux/" + goruntime.GOARCH + " default"
		native["/copied"] = files.describe("/uuid")
		for path, want := range native {
			if got := files.describe(path); got != want {
				t.Errorf("%s of %s is %q, want %q", path, arch, got, want)
			}
		}
		if meta := files.files["/copied"]; !strings.Contains(meta, "12:34") && !strings.Contains(meta, "12 34") {
			t.Logf("/copied of %s: %s", arch, meta)
		}
		uuid[files.describe("/uuid")] = true
		raw := command{name: "skopeo", args: []string{"inspect", "--raw", "oci:" + one + ":1"}}.run(t)
		if is := strings.Contains(raw, `"of":"one"`); is != (arch == foreign()) || !strings.Contains(raw, `"all":"manifests"`) {
			t.Errorf("the annotations of %s are wrong: %s", arch, raw)
		}
	}
	if len(uuid) != 1 {
		t.Errorf("the shared stage ran once for each platform: %v", uuid)
	}
	if got := s2i("run", tag).run(t); !strings.Contains(got, "_64") && !strings.Contains(got, "aarch64") {
		t.Errorf("the image of this platform prints %q", got)
	}
	loaded := "platforms-loaded-" + filepath.Base(shared.dir) + ":1"
	s2i("load", archive, loaded).run(t)
	expectIn(t, s2i("manifest", "inspect", loaded).run(t), "amd64", "arm64")

	// Everything is known the second time, and an annotation for an index of one image is refused.
	again := s2i(append(args, "-t", tag)...).run(t)
	expectIn(t, again, digest)
	s2i("build", "--strategy", "dockerfile", dir, "--build-arg", "BASE="+base, "--annotation", "index:a=b", "-t", tag+"-x").fails(t, 62, "has no index")
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// TestPlatformsRebase puts both images of an index on a new base.
func TestPlatformsRebase(t *testing.T) {
	t.Parallel()
	base := platformsBase(t)
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM " + base + "\nCOPY a /a\n", "a": "a\n"})
	newer := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM " + base + "\nRUN uname -m >/newer\n"})
	tag, run := ref("platforms-rebase:1"), ref("platforms-newer:1")
	s2i("build", "--strategy", "dockerfile", dir, "--platform", "linux/amd64,linux/arm64", "-t", tag).run(t)
	s2i("build", "--strategy", "dockerfile", newer, "--platform", "linux/amd64,linux/arm64", "-t", run).run(t)
	s2i("rebase", tag, "--run-image", run, "--force").run(t)
	for arch, machine := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		files := unpackImage(t, platformLayout(t, tag, arch))
		if got := files.describe("/newer"); got != machine || files.describe("/a") != "a" {
			t.Errorf("%s on its new base has %q in /newer, and %q in /a", arch, got, files.describe("/a"))
		}
	}
}

// TestPlatformsWithoutEmulator says which instruction needs an emulator, and where to get one.
func TestPlatformsWithoutEmulator(t *testing.T) {
	t.Parallel()
	base := platformsBase(t)
	path := t.TempDir()
	for _, tool := range []string{"runc", "crun", "newuidmap", "newgidmap"} {
		if found, err := exec.LookPath(tool); err == nil {
			if err := os.Symlink(found, filepath.Join(path, tool)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM " + base + "\nCOPY Dockerfile /\nRUN echo $RANDOM ran >/a\n"})
	c := s2i("build", "--strategy", "dockerfile", dir, "--no-cache", "--platform", "linux/"+foreign(), "-t", "no-emulator:1")
	c.env = append(c.env, "PATH="+path)
	c.fails(t, 52, "Dockerfile:3", "needs emulation", "qemu-user-static", "FROM --platform=$BUILDPLATFORM")

	// What only copies needs none.
	write(t, dir, map[string]string{"Dockerfile": "FROM " + base + "\nCOPY Dockerfile /\n"})
	c.run(t)
}

// TestPlatformsOfBuildpacks cross-compiles an app, and serves a site, for two platforms.
func TestPlatformsOfBuildpacks(t *testing.T) {
	t.Parallel()
	for name, program := range map[string]string{"go-hello": "/layers/s2i_go/app/bin/hello", "static-html": ""} {
		tag := ref("platforms-" + name + ":1")
		s2i("build", app(name), "--platform", "linux/amd64", "--platform", "linux/arm64", "-t", tag).run(t)
		x := readIndex(t, "docker://"+tag)
		if len(x.Manifests) != 2 || x.Manifests[0].Platform.Architecture == x.Manifests[1].Platform.Architecture {
			t.Errorf("the index of %s is %+v", name, x)
		}
		if program == "" {
			continue
		}
		files := unpackImage(t, platformLayout(t, tag, foreign()))
		what := command{name: "file", args: []string{"-b", filepath.Join(files.root, program)}}.run(t)
		if !strings.Contains(what, map[string]string{"arm64": "aarch64", "amd64": "x86-64"}[foreign()]) {
			t.Errorf("the program for %s is %s", foreign(), what)
		}
	}
}

// TestPlatformsForeignCode builds an app for another platform whose build leaves a program of this machine: it is built once
// more, emulated.
func TestPlatformsForeignCode(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), map[string]string{
		"package.json":      `{"name":"app","version":"1.0.0","scripts":{"build":"cp /usr/bin/env ./tool","start":"node main.js"}}`,
		"package-lock.json": `{"name":"app","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0"}}}`,
		"main.js":           "console.log('started')\n",
	})
	layout := filepath.Join(t.TempDir(), "image")
	_, text, err := s2i("build", dir, "--platform", "linux/"+foreign(), "-t", "oci:"+layout+":1").try(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	expectIn(t, text, "/workspace/tool", "building once more, with an emulator")
	what := command{name: "file", args: []string{"-b", filepath.Join(unpackImage(t, layout).root, "workspace", "tool")}}.run(t)
	if !strings.Contains(what, map[string]string{"arm64": "aarch64", "amd64": "x86-64"}[foreign()]) {
		t.Errorf("the program for %s is %s", foreign(), what)
	}
}
