package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"s2i/lifecycle/sandbox"
)

// language is an app that is built by s2i and by the bare tools of its language, as its author would do it by hand. The
// bare tools are those that s2i uses, in a sandbox on the same build image, so that only what s2i adds makes a
// difference.
type language struct {
	name, app string
	// packages are what the build image consists of, as stack build takes them.
	packages []string
	// change is the file of which one line is changed; an ending means the first file with it.
	change string
	// comment begins a line that changes nothing.
	comment string
	// script is what the author would type. $CACHE is a directory that outlives it.
	script string
}

// languages are the cases; the names of packages are those of the apps' plans.
var languages = []language{
	{"node", "node-vite-spa", []string{"node", "npm"}, "src/main.jsx", "//",
		"npm_config_cache=$CACHE/npm npm ci --no-audit --no-fund && npm run build"},
	{"python", "py-fastapi-uv", []string{"python", "uv"}, ".py", "#",
		"UV_CACHE_DIR=$CACHE/uv UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy; export UV_CACHE_DIR UV_PYTHON_DOWNLOADS UV_LINK_MODE; " +
			"uv venv -q --allow-existing && uv pip install -q -e . --compile-bytecode"}, // what uv sync does, without the lock's index
	{"java", "java-spring", []string{"jdk", "maven"}, ".java", "//",
		"mvn -B -ntp -q -DskipTests -Dmaven.repo.local=$CACHE/m2 package"},
	{"rust", "rust-axum", []string{"rust"}, "src/main.rs", "//",
		"CARGO_HOME=$CACHE/cargo cargo build --release"},
}

// benchLanguages compares whole builds with the bare tools: cold, one line changed, nothing changed. S2I_BENCH_LANGUAGE
// names one of them.
func benchLanguages(ctx context.Context, w *world) error {
	only := os.Getenv("S2I_BENCH_LANGUAGE")
	for _, l := range languages {
		if only != "" && only != l.name {
			continue
		}
		if err := w.language(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

func (w *world) language(ctx context.Context, l language) error {
	app, err := w.copyApp(ctx, l.app, l.name+"-app")
	if err != nil {
		return err
	}
	if strings.HasPrefix(l.change, ".") {
		if l.change, err = firstFile(app, l.change); err != nil {
			return err
		}
	}
	root, err := w.buildImage(ctx, l)
	if err != nil {
		return err
	}
	tag := "bench-" + l.name + ":1"
	if err := do(ctx, w.ours("build", app, "-t", tag)); err != nil { // the packages are composed
		return err
	}
	bare := func(ctx context.Context, i int) (sample, error) { return w.bare(ctx, l, root, i) }
	changed := func(dir string, then measured) measured {
		return func(ctx context.Context, i int) (sample, error) {
			if err := appendLine(filepath.Join(dir, l.change), l.comment); err != nil {
				return sample{}, err
			}
			return then(ctx, i)
		}
	}
	cold := func(ctx context.Context, i int) (sample, error) {
		return w.ours("build", app, "-t", fmt.Sprintf("bench-%s-cold-%d:1", l.name, i)).run(ctx)
	}
	const goal = "<= 1.10 + 1 s"
	if err := w.pairs(ctx, l.app+", cold, against bare tools", goal, 2, bare, changed(app, cold)); err != nil {
		return err
	}
	warm := filepath.Join(w.dir, l.name+"-bare-0")
	err = w.pairs(ctx, l.app+", one line, against bare tools", goal, 3,
		changed(warm, func(ctx context.Context, _ int) (sample, error) { return w.inImage(ctx, l, root, warm) }),
		changed(app, always(w.ours("build", app, "-t", tag))))
	if err != nil {
		return err
	}
	return w.pairs(ctx, l.app+", unchanged", "<= 0.15 s", 3, nothing, always(w.ours("build", app, "-t", tag)))
}

// buildImage unpacks the image that the tools are in.
func (w *world) buildImage(ctx context.Context, l language) (string, error) {
	layout, bundle := filepath.Join(w.dir, l.name+"-image"), filepath.Join(w.dir, l.name+"-bundle")
	args := append([]string{"stack", "build", "--image", "build", "-t", "oci:" + layout + ":1"}, l.packages...)
	unpack := []string{"umoci", "unpack", "--image", layout + ":1", bundle}
	if os.Geteuid() != 0 {
		unpack = slices.Insert(unpack, 2, "--rootless")
	}
	return filepath.Join(bundle, "rootfs"), do(ctx, w.ours(args...), command{args: unpack})
}

// bare builds a fresh copy of the app by the bare tools, with empty caches.
func (w *world) bare(ctx context.Context, l language, root string, i int) (sample, error) {
	dir, err := w.copyApp(ctx, l.app, fmt.Sprintf("%s-bare-%d", l.name, i))
	if err != nil {
		return sample{}, err
	}
	return w.inImage(ctx, l, root, dir)
}

// inImage runs the tools on a directory. Their caches are beside it.
func (w *world) inImage(ctx context.Context, l language, root, dir string) (sample, error) {
	cache := dir + "-cache"
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // the tools may run as another user
		return sample{}, err
	}
	oci, err := sandbox.NewOCI(sandbox.Options{TempDir: w.dir, Runtime: "runc"})
	if err != nil {
		return sample{}, err
	}
	var out bytes.Buffer
	s, err := sandboxed(ctx, oci, sandbox.Process{
		Rootfs: sandbox.Rootfs{Lower: []string{root}}, Args: []string{"/bin/sh", "-ec", l.script}, Dir: "/app",
		Capabilities: []string{"CAP_DAC_OVERRIDE"},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "CACHE=/cache",
			"JAVA_HOME=/usr/lib/jvm/default", "npm_config_nodedir=/usr/local", "SSL_CERT_FILE=" + certificates,
			"NODE_EXTRA_CA_CERTS=" + certificates, "CARGO_HTTP_CAINFO=" + certificates},
		Mounts: append(hostFiles(), sandbox.Mount{Target: "/tmp"}, sandbox.Mount{Source: dir, Target: "/app"},
			sandbox.Mount{Source: cache, Target: "/cache"}),
		Stdout: &out, Stderr: &out,
	})
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", l.script, err, out.String())
	}
	return s, err
}

// certificates are the authorities that are trusted, here and inside.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// hostFiles make the machine's network usable inside.
func hostFiles() (mounts []sandbox.Mount) {
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", certificates, "/etc/ssl/certs/java/cacerts"} {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			mounts = append(mounts, sandbox.Mount{Source: real, Target: file, ReadOnly: true})
		}
	}
	return mounts
}

// appendLine adds a comment that was never there to a file.
func appendLine(file, comment string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", comment, time.Now().UnixNano())
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// firstFile finds a source file by its ending.
func firstFile(dir, ending string) (string, error) {
	found := ""
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && found == "" && strings.HasSuffix(path, ending) && !strings.Contains(path, "test") {
			found, err = filepath.Rel(dir, path)
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no %s file in %s", ending, dir)
	}
	return found, err
}
