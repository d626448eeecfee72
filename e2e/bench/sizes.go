package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// benchSizes compares the size of images, as a registry holds them, with that of the same app by the Dockerfile that its
// framework's documentation shows, on bases of the same packages. The Dockerfiles are in testdata/sizes; their comments
// say what the bases consist of. S2I_BENCH_APP names one of them.
func benchSizes(ctx context.Context, w *world) error {
	files, err := filepath.Glob(filepath.Join(w.root, "e2e", "bench", "testdata", "sizes", "*.Dockerfile"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("finding Dockerfiles to compare with: %w", err)
	}
	if _, err := fmt.Fprintf(w.out, "\n%-38s %10s %10s %7s\n", "size of the image, MB compressed", "usual", "s2i", "ratio"); err != nil {
		return err
	}
	for _, file := range files {
		app := strings.TrimSuffix(filepath.Base(file), ".Dockerfile")
		if only := os.Getenv("S2I_BENCH_APP"); only != "" && only != app {
			continue
		}
		usual, err := w.usualSize(ctx, app, file)
		if err != nil {
			return fmt.Errorf("%s by its Dockerfile: %w", app, err)
		}
		layout := filepath.Join(w.dir, app+"-ours")
		if err := do(ctx, w.ours("build", filepath.Join(w.root, "testdata", "apps", app), "-t", "oci:"+layout+":1")); err != nil {
			return fmt.Errorf("%s: %w", app, err)
		}
		ours, err := layoutSize(layout)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w.out, "%-38s %10.1f %10.1f %7.2f\n", app, usual, ours, ours/usual); err != nil {
			return err
		}
	}
	return nil
}

// usualSize builds an app by a Dockerfile.
func (w *world) usualSize(ctx context.Context, app, file string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	layout, trusting := filepath.Join(w.dir, app+"-usual"), filepath.Join(w.dir, app+".Dockerfile")
	if err := os.WriteFile(trusting, []byte(trust(string(text))), 0o600); err != nil {
		return 0, err
	}
	args := []string{"build", "-f", trusting, "--build-context", "host=/etc/ssl/certs", filepath.Join(w.root, "testdata", "apps", app), "-t", "oci:" + layout + ":1"}
	for line := range strings.Lines(string(text)) {
		kind, packages, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), ":")
		if !ok || !strings.HasPrefix(line, "# ") {
			continue
		}
		base := filepath.Join(w.dir, app+"-"+kind)
		compose := []string{"stack", "build", "--image", kind, "-t", "oci:" + base + ":1"}
		if kind == "run" && app != "go-hello" {
			compose = append(compose, "--set", "base")
		}
		if err := do(ctx, w.ours(append(compose, strings.Fields(packages)...)...)); err != nil {
			return 0, err
		}
		args = append(args, "--build-context", kind+"=oci-layout://"+base+":1")
	}
	if err := do(ctx, w.ours(args...)); err != nil {
		return 0, err
	}
	return layoutSize(layout)
}

// trust makes the commands of a Dockerfile trust whom this machine trusts, where a company's proxy stands between.
func trust(text string) string {
	mounts := ""
	for _, name := range []string{"ca-certificates.crt", "java/cacerts"} {
		if info, err := os.Stat("/etc/ssl/certs/" + name); err == nil && info.Mode().IsRegular() {
			mounts += "--mount=type=bind,from=host,source=" + name + ",target=/etc/ssl/certs/" + name + " "
		}
	}
	return strings.ReplaceAll(text, "\nRUN ", "\nRUN "+mounts+"NODE_EXTRA_CA_CERTS="+certificates+" CARGO_HTTP_CAINFO="+certificates+" ")
}

// layoutSize is the sum of an image's layers and its config, in MB.
func layoutSize(layout string) (float64, error) {
	var index struct {
		Manifests []struct{ Digest string }
	}
	if err := readJSON(filepath.Join(layout, "index.json"), &index); err != nil {
		return 0, err
	}
	var manifest struct {
		Config struct{ Size int64 }
		Layers []struct{ Size int64 }
	}
	digest := strings.Replace(index.Manifests[0].Digest, ":", "/", 1)
	if err := readJSON(filepath.Join(layout, "blobs", digest), &manifest); err != nil {
		return 0, err
	}
	total := manifest.Config.Size
	for _, l := range manifest.Layers {
		total += l.Size
	}
	return float64(total) / 1e6, nil
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(data)).Decode(v)
}
