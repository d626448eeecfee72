package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// benchExport measures the exporter phase on a launch layer of 20,000 files with 200 MB of text. The floor of the first
// export is what cannot be saved: tar, one checksum, and compression by all processors where pigz is installed.
func benchExport(ctx context.Context, w *world) error {
	layers, app := filepath.Join(w.dir, "layers"), filepath.Join(w.dir, "workspace")
	deps := filepath.Join(layers, "acme_bp", "deps")
	if err := sources(deps, 200, 100, 20_000); err != nil {
		return err
	}
	base := "oci:" + filepath.Join(w.dir, "base") + ":1"
	files := map[string]string{
		filepath.Join(layers, "group.toml"):              "[[group]]\nid = \"acme/bp\"\nversion = \"1.0.0\"\napi = \"0.10\"\n",
		filepath.Join(layers, "analyzed.toml"):           fmt.Sprintf("[run-image]\nreference = %q\n", base),
		filepath.Join(layers, "config", "metadata.toml"): "processes = []\n",
		deps + ".toml":                  "[types]\nlaunch = true\n",
		filepath.Join(app, "index.txt"): "hello\n",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // as an app's file
			return err
		}
	}
	if err := do(ctx, w.ours("stack", "build", "--image", "run", "--set", "static", "-t", base)); err != nil {
		return err
	}
	export := func(store string) command {
		return command{env: []string{"CNB_PLATFORM_API=0.15"}, args: []string{w.s2i, "-q", "--store", store, "lifecycle", "exporter", "--layers", layers, "--app", app,
			"oci:" + store + "-out:1"}}
	}
	warm := filepath.Join(w.dir, "export-0")
	script := fmt.Sprintf("tar -C %s -cf - . | tee >(sha256sum >&2) | %s | sha256sum", deps, gzip(ctx))
	first := always(command{args: []string{"bash", "-c", script}})
	return inOrder(
		func() error {
			return w.pairs(ctx, "export of 20,000 files, first", "<= 1.5 s, 100 MB", 3, first, func(ctx context.Context, i int) (sample, error) {
				return export(filepath.Join(w.dir, fmt.Sprintf("export-%d", i))).run(ctx)
			})
		},
		func() error {
			return w.pairs(ctx, "export, one file changed", "<= 1.5 s", 3, first, func(ctx context.Context, _ int) (sample, error) {
				if err := touch(filepath.Join(deps, "d0", "f0.js")); err != nil {
					return sample{}, err
				}
				return export(warm).run(ctx)
			})
		},
		func() error {
			stat := always(command{args: []string{"find", deps, "-newermt", "2099-01-01"}})
			return w.pairs(ctx, "export, unchanged, against find", "<= 0.15 s", 5, stat, always(export(warm)))
		},
	)
}

// gzip is the command that compresses with all processors, or with one where there is no pigz.
func gzip(ctx context.Context) string {
	if err := do(ctx, command{args: []string{"pigz", "--version"}}); err == nil {
		return "pigz -2"
	}
	return "gzip -2"
}

// sources writes text that compresses as source code does, in files of up to size bytes.
func sources(dir string, dirs, files, size int) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same files in every run
	words := strings.Fields("const function return require module exports value index { } ( ) ; => === null undefined // todo")
	var text strings.Builder
	for text.Len() < 4<<20 {
		fmt.Fprintf(&text, "%s%d ", words[random.IntN(len(words))], random.IntN(5000))
	}
	for d := range dirs {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for f := range files {
			from := random.IntN(text.Len() - size)
			content := text.String()[from : from+1+random.IntN(size)]
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%d.js", f)), []byte(content), 0o644); err != nil { //nolint:gosec // as in an app
				return err
			}
		}
	}
	return nil
}
