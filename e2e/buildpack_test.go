//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// wordsBuildpack is a third party's buildpack of shell scripts that uses what the specification offers.
func wordsBuildpack() map[string]string {
	return map[string]string{
		"buildpack.toml": `api = "0.10"
[buildpack]
id = "test/words"
version = "1.2.3"
[[targets]]
os = "linux"
`,
		"bin/detect!": `#!/bin/bash
test -e words.txt || { echo "no words.txt"; exit 100; }
printf '[[provides]]\nname = "words"\n[[requires]]\nname = "words"\n[requires.metadata]\nfrom = "words.txt"\n' >"$CNB_BUILD_PLAN_PATH"
`,
		"bin/build!": `#!/bin/bash
set -eu
grep -q 'from = "words.txt"' "$CNB_BP_PLAN_PATH"
layer=$CNB_LAYERS_DIR/words
echo "user variable: ${USER_VARIABLE:-none}"
if [ -e "$layer.toml" ] && cmp -s words.txt "$layer/words.txt"; then
  echo "the layer is reused"
else
  rm -rf "$layer"; mkdir -p "$layer/bin" "$layer/env.launch"
  cp words.txt "$layer/words.txt"
  printf '#!/bin/bash\necho "$WORD from $(<"${0%%/bin/say}/words.txt")"\n' >"$layer/bin/say"
  chmod +x "$layer/bin/say"
  printf 'greetings' >"$layer/env.launch/WORD.override"
fi
printf '[types]\nlaunch = true\ncache = true\n[metadata]\nmade = "once"\n' >"$layer.toml"
echo "build number: $(grep -o '[0-9]*' "$CNB_LAYERS_DIR/store.toml" 2>/dev/null || echo 0)"
printf '[metadata]\nbuilds = %d\n' $(( $(grep -o '[0-9]*' "$CNB_LAYERS_DIR/store.toml" 2>/dev/null || echo 0) + 1 )) >"$CNB_LAYERS_DIR/store.toml"
printf '[[labels]]\nkey = "test.words"\nvalue = "labelled"\n[[processes]]\ntype = "say"\ncommand = ["say"]\ndefault = true\n' >"$CNB_LAYERS_DIR/launch.toml"
if [ -e /run/secrets/token ]; then echo "the secret has $(wc -c </run/secrets/token) bytes"; fi
`,
	}
}

// TestBuildpack builds with a third party's buildpack and a built-in one.
func TestBuildpack(t *testing.T) {
	t.Parallel()
	bp := write(t, t.TempDir(), wordsBuildpack())
	src := write(t, t.TempDir(), map[string]string{"words.txt": "a file\n", "Procfile": "lines: wc -l words.txt\n"})
	tag := "words-" + filepath.Base(shared.dir) // a kept store knows no cache of that name
	args := []string{"build", src, "-b", bp, "-b", "s2i/procfile", "-t", tag, "-e", "USER_VARIABLE=seen"}
	first := log(t, s2i(args...))
	expectIn(t, first, "user variable: seen", "build number: 0")
	image := inspect(t, tag)
	if image.Labels["test.words"] != "labelled" || len(image.Buildpacks) != 2 || len(image.Processes) != 2 {
		t.Errorf("labels, buildpacks or processes are missing: %+v", image)
	}
	if out := s2i("run", tag).run(t); out != "greetings from a file" {
		t.Errorf("the default process prints %q", out)
	}

	write(t, src, map[string]string{"more.txt": "another file of the app\n"})
	expectIn(t, log(t, s2i(args...)), "the layer is reused", "build number: 1")
	again := inspect(t, tag)
	if image.Digest == again.Digest {
		t.Error("the changed app gives the same image")
	}
	same := 0
	for _, l := range again.layers(false) {
		if strings.Contains(strings.Join(image.layers(false), " "), l) {
			same++
		}
	}
	if same != len(image.layers(false))-1 {
		t.Errorf("%d of %d layers are the same, want all but one", same, len(image.layers(false)))
	}
}

// TestBuildpackFails expects the exit codes of the specification, and errors that name the buildpack.
func TestBuildpackFails(t *testing.T) {
	t.Parallel()
	files := wordsBuildpack()
	files["bin/build!"] = "#!/bin/bash\necho the words are wrong >&2\nexit 7\n"
	broken := write(t, t.TempDir(), files)
	src := write(t, t.TempDir(), map[string]string{"words.txt": "a file\n"})
	s2i("build", src, "-b", broken, "-t", "broken").fails(t, 51, "test/words", "the words are wrong", "7")
	none := write(t, t.TempDir(), map[string]string{"other.txt": "nothing to build\n"})
	s2i("build", none, "-b", broken, "-t", "broken").fails(t, 20, "test/words", "no words.txt")
	s2i("build", none, "-t", "broken").fails(t, 20, "s2i/go", "s2i/node", "s2i/procfile")
	s2i("inspect", "broken").fails(t, 1, "broken")
}

// TestSecret looks for a secret in everything that a build leaves: every file of the image, decompressed, and the log.
func TestSecret(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery-staple-4711"
	dir := write(t, t.TempDir(), map[string]string{"token": secret})
	bp := write(t, t.TempDir(), wordsBuildpack())
	src := write(t, t.TempDir(), map[string]string{"words.txt": "a file\n"})
	file := filepath.Join(dir, "image.tar")
	text := log(t, s2i("build", src, "-b", bp, "--secret", "id=token,src="+filepath.Join(dir, "token"), "-t", "docker-archive:"+file))
	expectIn(t, text, "the secret has 33 bytes")
	if strings.Contains(text, secret) {
		t.Error("the secret is in the log")
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := tar.NewReader(f)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			if data, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("the secret is in %s", h.Name)
		}
	}
}

// log runs a build and gives what it says along the way.
func log(t *testing.T, c command) string {
	t.Helper()
	_, errOut, err := c.try(t.Context())
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(c.args, " "), err, errOut)
	}
	return errOut
}

func expectIn(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in:\n%s", w, text)
		}
	}
}
