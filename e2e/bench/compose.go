package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"s2i/lifecycle/sandbox"
)

// benchCompose compares composing the images for a Go app, from downloads that are there, with plain extraction of the
// same files one after the other. The build is ended by a runtime that does nothing.
func benchCompose(ctx context.Context, w *world) error {
	app, err := w.copyApp(ctx, "go-hello", "compose-app")
	if err != nil {
		return err
	}
	fresh := filepath.Join(w.dir, "downloads-only")
	never := []string{"build", app, "-t", "compose:1", "--runtime", "/bin/false"}
	if _, err := (command{args: append([]string{w.s2i, "-q", "--store", fresh}, never...)}).run(ctx); err == nil {
		return fmt.Errorf("a build by /bin/false succeeded")
	}
	downloads := filepath.Join(fresh, "downloads")
	extract := fmt.Sprintf(`cd "$1" && for f in %s/*; do case $(head -c 7 "$f") in
		'!<arch>') dpkg-deb -x "$f" . ;;
		PK*) unzip -q -o "$f" 2>/dev/null || [ $? = 1 ] ;;
	esac; done`, downloads)
	return w.pairs(ctx, "compose for Go, against extraction", "<= 1.0", 3,
		func(ctx context.Context, i int) (sample, error) {
			dir := filepath.Join(w.dir, fmt.Sprintf("extracted-%d", i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				return sample{}, err
			}
			return command{args: []string{"bash", "-c", extract, "bash", dir}}.run(ctx)
		},
		func(ctx context.Context, i int) (sample, error) {
			store := filepath.Join(w.dir, fmt.Sprintf("composed-%d", i))
			if err := do(ctx, command{args: []string{"mkdir", "-p", store}},
				command{args: []string{"cp", "-al", downloads, filepath.Join(store, "downloads")}}); err != nil {
				return sample{}, err
			}
			return failing(command{args: append([]string{w.s2i, "-q", "--offline", "--store", store}, never...)}.run(ctx))
		})
}

// benchSandbox compares the start of a sandbox with the bare runtime.
func benchSandbox(ctx context.Context, w *world) error {
	app, err := w.copyApp(ctx, "go-hello", "sandbox-app")
	if err != nil {
		return err
	}
	if err := do(ctx, w.ours("build", app, "-t", "sandbox-app:1")); err != nil {
		return err
	}
	tree, _, err := w.inTree("usr/bin/true")
	if err != nil {
		return err
	}
	bundle := filepath.Join(w.dir, "bundle")
	if err := runcBundle(ctx, bundle, tree); err != nil {
		return err
	}
	oci, err := sandbox.NewOCI(sandbox.Options{TempDir: w.dir, Runtime: "runc"})
	if err != nil {
		return err
	}
	return w.pairs(ctx, "start of a sandbox, against runc", "", 9,
		func(ctx context.Context, i int) (sample, error) {
			return command{args: []string{"runc", "--root", filepath.Join(w.dir, "runc"), "run", "-b", bundle, fmt.Sprintf("bench-%d", i)}}.run(ctx)
		},
		func(ctx context.Context, _ int) (sample, error) {
			return sandboxed(ctx, oci, sandbox.Process{Rootfs: sandbox.Rootfs{Lower: []string{tree}}, Args: []string{"/usr/bin/true"}})
		})
}

// runcBundle makes a bundle that runs true on the tree.
func runcBundle(ctx context.Context, bundle, tree string) error {
	if err := os.Mkdir(bundle, 0o755); err != nil {
		return err
	}
	spec := []string{"runc", "spec", "-b", bundle}
	if os.Geteuid() != 0 {
		spec = append(spec, "--rootless")
	}
	if err := do(ctx, command{args: spec}); err != nil {
		return err
	}
	file := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	edited := strings.NewReplacer(`"terminal": true`, `"terminal": false`, `"sh"`, `"/usr/bin/true"`,
		`"path": "rootfs"`, fmt.Sprintf(`"path": %q`, tree)).Replace(string(text))
	return os.WriteFile(file, []byte(edited), 0o600)
}
