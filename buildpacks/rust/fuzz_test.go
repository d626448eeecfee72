package rust

import (
	"os"
	"path/filepath"
	"testing"

	"s2i/buildpacks/kit"
)

// FuzzDecide feeds the parsers of everything that detection reads.
func FuzzDecide(f *testing.F) {
	f.Add("[package]\nname = \"a\"\n[[bin]]\nname = \"b\"\n", "version = 4\n[[package]]\nname = \"a\"\n", "[toolchain]\nchannel = \"1.80\"", "[build]\n")
	f.Add("[workspace]\nmembers = [\"**\", \"a*\", \"../x\"]\n", "dependencies = [\n \"a 1 (b)\",\n]\n", "nightly", "[target.x]\nrustflags = 1\n")
	f.Add("cargo-features = []\n[package]\nedition.workspace = true\n[dependencies]\nx = { path = \"src\" }\n", "", "1.2.3.4", "[source.a]\nregistry = \"x+y\"")
	f.Fuzz(func(t *testing.T, manifest, lock, toolchain, config string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"Cargo.toml": manifest, "Cargo.lock": lock, "rust-toolchain": toolchain,
			".cargo/config.toml": config, "src/main.rs": "#![feature(", "src/bin/x.rs": ""} {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		app, err := kit.OpenApp(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close()
		d, err := decide(app, nil)
		if err != nil {
			return
		}
		_, facts := d.needs(false)
		if r := d.record(facts); r.Summary == "" {
			t.Error("no summary")
		}
	})
}

// FuzzStates feeds the record of the last build.
func FuzzStates(f *testing.F) {
	f.Add([]byte("ab 12 \"src/main.rs\"\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { parseStates(data) })
}

// FuzzMessages feeds what cargo says.
func FuzzMessages(f *testing.F) {
	f.Add(`{"reason":"x","target":{"kind":["bin"]}}`)
	f.Fuzz(func(_ *testing.T, output string) {
		messages(output)
		_, _ = programs(output)
	})
}
