//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDockerfileRebase swaps the base of an image that a Dockerfile made, in the registry.
func TestDockerfileRebase(t *testing.T) {
	t.Parallel()
	build := func(text string, to string) {
		t.Helper()
		dir := t.TempDir()
		for name, content := range map[string]string{"Dockerfile": text, "file": "content\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s2i("build", dir, "-t", to).run(t) // nothing but the Dockerfile tells what it is
	}
	base, newer, image := ref("dockerfile/base:1"), ref("dockerfile/base:2"), ref("dockerfile/app:1")
	build("FROM scratch\nCOPY file /base\nENV LEVEL=old\n", base)
	build("FROM "+base+"\nCOPY file /added\nENV LEVEL=new\n", newer)
	build("FROM "+base+"\nCOPY file /app\nENV OWN=kept\n", image)
	s2i("rebase", image, "--run-image", newer).run(t)
	layout := filepath.Join(t.TempDir(), "image")
	command{name: "skopeo", args: []string{"copy", "-q", "--src-tls-verify=false", "docker://" + image, "oci:" + layout + ":1"}}.run(t)
	u := unpackImage(t, layout)
	for _, name := range []string{"/base", "/added", "/app"} {
		if got := u.describe(name); got != "content" {
			t.Errorf("%s is %q", name, got)
		}
	}
	env, _ := u.config["Env"].([]any)
	have := map[any]bool{}
	for _, kv := range env {
		have[kv] = true
	}
	if !have["LEVEL=new"] || !have["OWN=kept"] {
		t.Errorf("the environment is %v", env)
	}
}
