package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// benchGo compares builds of a Go app with the bare go command: the same toolchain, flags and state of the caches, the
// toolchain's layer being there already.
func benchGo(ctx context.Context, w *world) error {
	app, err := w.copyApp(ctx, "go-hello", "go-app")
	if err != nil {
		return err
	}
	bare, err := w.copyApp(ctx, "go-hello", "go-bare")
	if err != nil {
		return err
	}
	if err := do(ctx, w.ours("build", app, "-t", "go-app:1")); err != nil {
		return err
	}
	_, goTool, err := w.inTree("usr/local/go/bin/go")
	if err != nil {
		return err
	}
	goBuild := func(cache string) command {
		return command{dir: bare, args: []string{goTool, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o",
			filepath.Join(w.dir, "go-out"), "."}, env: []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw",
			"GOCACHE=" + filepath.Join(w.dir, cache), "GOROOT="}}
	}
	changed := func(dir string, c func(i int) command) measured {
		return func(ctx context.Context, i int) (sample, error) {
			if err := touch(filepath.Join(dir, "main.go")); err != nil {
				return sample{}, err
			}
			return c(i).run(ctx)
		}
	}
	warm := func(int) command { return goBuild("gocache-0") }
	same := w.ours("build", app, "-t", "go-app:1")
	return inOrder(
		func() error {
			return w.pairs(ctx, "Go app, cold, against go build", "<= 1.05", 3,
				changed(bare, func(i int) command { return goBuild(fmt.Sprintf("gocache-%d", i)) }),
				changed(app, func(i int) command { return w.ours("build", app, "-t", fmt.Sprintf("go-cold-%d-%d:1", os.Getpid(), i)) }))
		},
		func() error {
			return w.pairs(ctx, "Go app, one line, against go build", "<= floor + 0.15 s", 7,
				changed(bare, warm), changed(app, func(int) command { return same }))
		},
		func() error {
			return w.pairs(ctx, "Go app, unchanged, to the store", "<= 0.15 s", 7, always(goBuild("gocache-0")), always(same))
		},
		func() error { return w.unchanged(ctx, "Go app, unchanged, to a registry", app) },
	)
}

// unchanged measures a build with nothing to do whose image is in the registry already.
func (w *world) unchanged(ctx context.Context, name, app string) error {
	c := w.ours("--insecure-registry", w.proxy, "build", app, "-t", w.ref("bench/unchanged:1"))
	if err := do(ctx, c); err != nil {
		return err
	}
	return w.pairs(ctx, name, "<= 0.15 s", 7, nothing, func(ctx context.Context, _ int) (sample, error) { return w.counted(ctx, c) })
}

// benchNode compares builds of a Node app with a bare npm ci of the same npm and the same state of its cache.
func benchNode(ctx context.Context, w *world) error {
	app, err := w.copyApp(ctx, "node-npm-express", "node-app")
	if err != nil {
		return err
	}
	if err := do(ctx, w.ours("build", app, "-t", "node-app:1")); err != nil {
		return err
	}
	_, node, err := w.inTree("usr/local/bin/node")
	if err != nil {
		return err
	}
	_, npm, err := w.inTree("usr/local/lib/node_modules/npm/bin/npm-cli.js")
	if err != nil {
		return err
	}
	install := func(cache string) measured {
		return func(ctx context.Context, i int) (sample, error) {
			dir, err := w.copyApp(ctx, "node-npm-express", fmt.Sprintf("node-bare-%s-%d", cache, i))
			if err != nil {
				return sample{}, err
			}
			if cache == "cold" {
				cache = fmt.Sprintf("cold-%d", i)
			}
			return command{dir: dir, args: []string{node, npm, "ci", "--omit=dev", "--no-audit", "--no-fund"}, env: []string{
				"npm_config_cache=" + filepath.Join(w.dir, "npm-"+cache),
				"PATH=" + filepath.Dir(node) + ":" + os.Getenv("PATH")}}.run(ctx)
		}
	}
	ours := func(tag func(i int) string) measured {
		return func(ctx context.Context, i int) (sample, error) {
			if err := touch(filepath.Join(app, "server.js")); err != nil {
				return sample{}, err
			}
			return w.ours("build", app, "-t", tag(i)).run(ctx)
		}
	}
	return inOrder(
		func() error {
			return w.pairs(ctx, "Node app, cold, against npm ci", "<= 1.05", 3,
				install("cold"), ours(func(i int) string { return fmt.Sprintf("node-cold-%d-%d:1", os.Getpid(), i) }))
		},
		func() error {
			return w.pairs(ctx, "Node app, one line, against npm ci", "<= floor + 0.15 s", 5,
				install("cold-0"), ours(func(int) string { return "node-app:1" }))
		},
		func() error {
			return w.pairs(ctx, "Node app, unchanged, to the store", "<= 0.15 s", 7, nothing, always(w.ours("build", app, "-t", "node-app:1")))
		},
	)
}

// inOrder runs steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
