//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// toolsExtension is an image extension that puts a tool into the build image and a file into the run image. What it is
// told by the build plan goes into both.
func toolsExtension() map[string]string {
	return map[string]string{
		"extension.toml": "api = \"0.10\"\n[extension]\nid = \"test/tools\"\nversion = \"1.0.0\"\n",
		"bin/detect!":    "#!/bin/bash\ntest -e words.txt || exit 100\nprintf '[[provides]]\\nname = \"tools\"\\n' >\"$CNB_BUILD_PLAN_PATH\"\n",
		"bin/generate!": `#!/bin/bash
set -eu
test -e "$CNB_EXTENSION_DIR/extension.toml"
! touch words.txt 2>/dev/null
word=$(sed -n 's/.*word = "\(.*\)"/\1/p' "$CNB_BP_PLAN_PATH")
mkdir "$CNB_OUTPUT_DIR/context.build" "$CNB_OUTPUT_DIR/context.run"
printf '#!/bin/bash\necho "the tool says $(</etc/tool.conf)"\n' >"$CNB_OUTPUT_DIR/context.build/tool"
echo "for the run image" >"$CNB_OUTPUT_DIR/context.run/data"
printf '[[build.args]]\nname = "word"\nvalue = "%s"\n' "$word" >"$CNB_OUTPUT_DIR/extend-config.toml"
cat >"$CNB_OUTPUT_DIR/build.Dockerfile" <<'EOF'
ARG base_image
FROM ${base_image}
ARG build_id=0
ARG word=none
ARG user_id
ARG group_id
USER root
COPY --chmod=755 tool /usr/local/bin/tool
RUN echo "$word" >/etc/tool.conf && test "$build_id" != 0
USER ${user_id}:${group_id}
EOF
cat >"$CNB_OUTPUT_DIR/run.Dockerfile" <<'EOF'
ARG base_image
FROM ${base_image}
ARG user_id
ARG group_id
USER root
COPY data /etc/data
RUN ["bash", "-c", "echo and more >>/etc/data"]
ENV FROM_EXTENSION=set
LABEL io.buildpacks.rebasable=true
USER ${user_id}:${group_id}
EOF
`,
	}
}

// toolsBuildpack needs that tool, and starts something that reads the file.
func toolsBuildpack() map[string]string {
	return map[string]string{
		"buildpack.toml": "api = \"0.10\"\n[buildpack]\nid = \"test/uses-tools\"\nversion = \"1.0.0\"\n[[targets]]\nos = \"linux\"\n",
		"bin/detect!":    "#!/bin/bash\nprintf '[[requires]]\\nname = \"tools\"\\n[requires.metadata]\\nword = \"hello\"\\n' >\"$CNB_BUILD_PLAN_PATH\"\n",
		"bin/build!": `#!/bin/bash
set -eu
tool
printf '[[processes]]\ntype = "say"\ncommand = ["bash", "-c", "echo \\"$FROM_EXTENSION $(</etc/data)\\""]\ndefault = true\n' >"$CNB_LAYERS_DIR/launch.toml"
`,
	}
}

// TestExtension builds with an image extension: the buildpack finds its tool, the process its file, and what was added
// to the run image stays when that is exchanged.
func TestExtension(t *testing.T) {
	t.Parallel()
	ext, bp := write(t, t.TempDir(), toolsExtension()), write(t, t.TempDir(), toolsBuildpack())
	src := write(t, t.TempDir(), map[string]string{"words.txt": "w\n"})
	tag := "extended-" + filepath.Base(shared.dir)
	layout := filepath.Join(t.TempDir(), "layout")
	// Both can also come as others publish them: in an image, and in an archive.
	write(t, ext, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /cnb/extensions/test_tools/1.0.0\n", ".dockerignore": "Dockerfile\n"})
	published := ref("packages/tools:1")
	s2i("build", "--strategy", "dockerfile", ext, "-t", published).run(t)
	command{name: "tar", args: []string{"-czf", bp + ".tgz", "-C", bp, "."}}.run(t)
	out := log(t, s2i("build", src, "-b", bp+".tgz", "--extension", published, "-t", tag, "-t", "oci:"+layout+":1"))
	expectIn(t, out, "the tool says hello")
	if got := s2i("run", tag).run(t); got != "set for the run image\nand more" {
		t.Errorf("the process prints %q", got)
	}
	config := command{name: "skopeo", args: []string{"inspect", "--config", "oci:" + layout + ":1"}}.run(t)
	expectIn(t, config, `"io.buildpacks.rebasable": "true"`, `FROM_EXTENSION=set`, `test/tools`)
	files := unpackImage(t, layout)
	if got := files.describe("/etc/data"); !strings.Contains(got, "for the run image") {
		t.Errorf("/etc/data in the image is %s", got)
	}
	if got := files.describe("/etc/tool.conf"); strings.Contains(got, "hello") {
		t.Errorf("what belongs into the build image is in the run image: %s", got)
	}

	log(t, s2i("rebase", tag, "--dry-run"))
	// Without the extension nobody provides the tool.
	if _, errOut, err := s2i("build", src, "-b", bp, "-t", tag+"-no").try(t.Context()); err == nil || !strings.Contains(errOut, "tools") {
		t.Errorf("a build without the extension gives %v: %s", err, errOut)
	}
}

// TestExtensionSwitch lets an extension choose the run image, and refuses what the specification forbids.
func TestExtensionSwitch(t *testing.T) {
	t.Parallel()
	bp := write(t, t.TempDir(), map[string]string{
		"buildpack.toml": "api = \"0.10\"\n[buildpack]\nid = \"test/any\"\nversion = \"1.0.0\"\n[[targets]]\nos = \"linux\"\n",
		"bin/detect!":    "#!/bin/bash\nexit 0\n",
		"bin/build!":     "#!/bin/bash\nprintf '[[processes]]\\ntype = \"say\"\\ncommand = [\"/other/say\"]\\ndefault = true\\n' >\"$CNB_LAYERS_DIR/launch.toml\"\n",
	})
	src := write(t, t.TempDir(), map[string]string{"a": "a"})
	other := shared.registry + "/other-run:1"
	base := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM busybox-for-switch:1\nCOPY --chmod=755 say /other/say\nUSER 1000:1000\n",
		"say": "#!/usr/bin/busybox sh\necho switched\n"})
	s2i("stack", "build", "--set", "static", "-t", "busybox-for-switch:1", "busybox-static").run(t)
	s2i("build", "--strategy", "dockerfile", base, "-t", other).run(t)

	extension := func(files map[string]string) string {
		files["extension.toml"] = "api = \"0.10\"\n[extension]\nid = \"test/switch\"\nversion = \"1.0.0\"\n"
		return write(t, t.TempDir(), files)
	}
	tag := "switched-" + filepath.Base(shared.dir)
	s2i("build", src, "-b", bp, "--extension", extension(map[string]string{"generate/run.Dockerfile": "FROM " + other + "\n"}), "-t", tag).run(t)
	if got := s2i("run", tag).run(t); got != "switched" {
		t.Errorf("the process prints %q", got)
	}

	const from = "ARG base_image\nFROM ${base_image}\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"root":     {map[string]string{"generate/run.Dockerfile": from + "USER root\n"}, "starts as root"},
		"stages":   {map[string]string{"generate/build.Dockerfile": from + "FROM scratch\n"}, "has one FROM"},
		"base":     {map[string]string{"generate/build.Dockerfile": "FROM scratch\n"}, "begins with FROM ${base_image}"},
		"arg":      {map[string]string{"generate/build.Dockerfile": "FROM ${base_image}\n"}, "ARG base_image has to stand before"},
		"contexts": {map[string]string{"generate/build.Dockerfile": from, "generate/context/a": "", "generate/context.run/a": ""}, "only one of the kinds"},
		"reserved": {map[string]string{"generate/build.Dockerfile": from,
			"generate/extend-config.toml": "[[build.args]]\nname = \"user_id\"\nvalue = \"0\"\n"}, "cannot be the name of an argument"},
		"fails": {map[string]string{"bin/generate!": "#!/bin/bash\necho no\nexit 3\n"}, "generating with extension test/switch"},
	} {
		_, errOut, err := s2i("build", src, "-b", bp, "--extension", extension(c.files), "-t", tag+"-bad").try(t.Context())
		if err == nil || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: got %v, want an error with %q:\n%s", name, err, c.want, errOut)
		}
	}
}

// TestExtensionBuilder takes extensions and their order from a builder's file.
func TestExtensionBuilder(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), map[string]string{
		"builder.toml":                 "stack = \"trixie\"\n[[order]]\n[[order.group]]\nid = \"s2i/procfile\"\n[[extensions]]\nuri = \"note\"\n",
		"note/extension.toml":          "api = \"0.10\"\n[extension]\nid = \"test/note\"\nversion = \"1.0.0\"\n",
		"note/generate/run.Dockerfile": "ARG base_image\nFROM ${base_image}\nCOPY note.txt /etc/note.txt\n",
	})
	src := write(t, t.TempDir(), map[string]string{"Procfile": "web: cat /etc/note.txt\n", "note.txt": "of the app"})
	tag := "noted-" + filepath.Base(shared.dir)
	s2i("build", src, "--builder", filepath.Join(dir, "builder.toml"), "-t", tag).run(t)
	if got := s2i("run", tag).run(t); got != "of the app" {
		t.Errorf("the process prints %q", got)
	}
	labels := inspect(t, tag).Labels
	if labels["io.buildpacks.rebasable"] != "false" {
		t.Errorf("an extension that does not say so gives an image that can be rebased: %q", labels["io.buildpacks.rebasable"])
	}
}

// TestPhasesExtend runs the phases with an image extension, one after the other.
func TestPhasesExtend(t *testing.T) {
	t.Parallel()
	p := newPhases(t)
	files := map[string]string{"order.toml": "[[order]]\n[[order.group]]\nid = \"test/uses-tools\"\nversion = \"1.0.0\"\n" +
		"[[order-extensions]]\n[[order-extensions.group]]\nid = \"test/tools\"\nversion = \"1.0.0\"\n"}
	for name, text := range toolsBuildpack() {
		files["buildpacks/test_uses-tools/1.0.0/"+name] = text
	}
	for name, text := range toolsExtension() {
		files["extensions/test_tools/1.0.0/"+name] = strings.Replace(text, "! touch", "true || touch", 1) // in place, as root
	}
	write(t, p.dir, files)
	at := func(name string) string { return filepath.Join(p.dir, name) }
	build := ref("phases/build:1")
	s2i("stack", "build", "--set", "base", "-t", build, "bash", "dash", "coreutils").run(t)
	image := ref("phases/extended:1")
	run := ref("phases/extended-base:1")
	s2i("build", "--strategy", "dockerfile", write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM " + p.base + "\nENV LEVEL=old\n"}),
		"-t", run, "--label", "io.buildpacks.rebasable=true").run(t)
	p.run(t, 0, "analyzer", "-run-image", run, image)
	p.run(t, 0, "detector", "-extensions", at("extensions"))
	expectIn(t, readFile(t, at("layers/analyzed.toml")), "extend = true")
	p.run(t, 0, "restorer", "-build-image", build)
	places := []string{"-app", at("workspace"), "-platform", at("platform"), "-buildpacks", at("buildpacks"), "-build-config", at("config")}
	p.run(t, 0, "extender", append(places, "-kind", "build")...)
	p.run(t, 0, "extender", append(places, "-kind", "run")...)
	p.run(t, 0, "exporter", image)
	if got := s2i("run", image).run(t); got != "set for the run image\nand more" {
		t.Errorf("the process prints %q", got)
	}
	if labels := inspect(t, image).Labels; labels["io.buildpacks.rebasable"] != "true" {
		t.Errorf("the image says of itself that it is rebasable: %q", labels["io.buildpacks.rebasable"])
	}
	p.run(t, 3, "extender", append(places, "-kind", "other")...)
	// The run image's next version comes below what the extension added.
	s2i("build", "--strategy", "dockerfile", write(t, t.TempDir(), map[string]string{
		"Dockerfile": "FROM " + p.base + "\nCOPY new /etc/data\nCOPY new /etc/new\nENV LEVEL=new\n", "new": "new\n"}), "-t", run).run(t)
	s2i("rebase", image).run(t)
	if got := s2i("run", "--entrypoint", "bash", image, "--", "-c", `echo "$LEVEL $FROM_EXTENSION $(</etc/new) $(</etc/data)"`).run(t); got != "new set new for the run image\nand more" {
		t.Errorf("the rebased image prints %q", got)
	}
}
