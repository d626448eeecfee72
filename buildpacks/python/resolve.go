package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// resolve finds the versions for an app without a lock file, and hands the lock to the platform. The result is kept for
// the next build, which uses it as long as the manifest says the same: so the app does not change under the user's hands.
func (b *builder) resolve(ctx context.Context) (string, error) {
	d := b.d.deps
	kit.Say(b.bc.Logger, "warning: %s does not say exactly which versions are installed: build with --write-lock "+
		"and commit the lock file", d.manifest)
	layer, err := b.bc.Layers.Layer("resolved")
	if err != nil {
		return "", fmt.Errorf("reading layer resolved: %w", err)
	}
	key, err := b.resolveKey()
	if err != nil {
		return "", err
	}
	file := filepath.Join(layer.Path, b.lockName())
	if data, err := os.ReadFile(file); err == nil && kit.MadeHere(layer, key) {
		layer = kit.Mark(layer, libcnb.LayerTypes{Cache: true}, key)
		b.result.Layers = append(b.result.Layers, layer)
		kit.Say(b.bc.Logger, "%s has not changed, the versions of the previous build are used", d.manifest)
		return b.useResolved(data)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Cache: true}, key); err != nil {
		return "", err
	}
	if b.lockName() == fileUVLock {
		err = b.uvLock(ctx, file)
	} else {
		err = b.pipCompile(ctx, file)
	}
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the lock file that was resolved: %w", err)
	}
	b.result.Layers = append(b.result.Layers, layer)
	return b.useResolved(data)
}

// lockName gives the lock file that suits the manifest: uv's for a project in the standard's form, else the standard's.
func (b *builder) lockName() string {
	py := b.d.py
	if b.d.deps.manifest == fileProject && py.Project != nil && py.Project.Name != "" && !b.dynamic() &&
		(py.Tool.Poetry == nil || len(py.Tool.Poetry.Dependencies) == 0) {
		return fileUVLock
	}
	return filePylock
}

// useResolved reads a lock file that was just made.
func (b *builder) useResolved(data []byte) (string, error) {
	if err := kit.KeepLock(b.bc.Layers, b.lockName(), data); err != nil {
		return "", err
	}
	d := b.d.deps
	var err error
	if b.lockName() == fileUVLock {
		d.file, err = parseUVLock(data, ".", optionsOf(b.d.env))
	} else {
		d.file, err = parsePylock(filePylock, data)
	}
	if err != nil {
		return "", err
	}
	if d.chosen, err = d.file.choose(b.d.target); err != nil {
		return "", err
	}
	if err := b.d.checkWheels(); err != nil {
		return "", err
	}
	return d.pins(b.bc.ApplicationPath, b.d.indexOptions())
}

// resolveKey gives a digest of what a resolution depends on, besides what the index has.
func (b *builder) resolveKey() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q\n", Version, pkgResources, minor(b.python.version), b.arch(), b.d.env[envExtras]+" "+b.d.env[envGroups])
	names := []string{b.d.deps.manifest, fileProject, "setup.cfg", "uv.toml"}
	if b.d.deps.reqs != nil {
		names = append(names, b.d.deps.reqs.files...)
	}
	for _, name := range names {
		if data, err := b.app.Read(name); err == nil {
			fmt.Fprintf(h, "%q %d\n%s", name, len(data), data)
		}
	}
	for _, name := range b.localPaths() {
		if err := b.contents(h, name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// uvLock runs uv lock, which writes into the app's directory, and moves the result.
func (b *builder) uvLock(ctx context.Context, to string) error {
	before, err := b.files()
	if err != nil {
		return err
	}
	args := []string{"uv", "lock", "--python", b.python.program}
	if err := b.run(ctx, args, fileProject+" is there and "+fileUVLock+" is not"); err != nil {
		return err
	}
	data, err := b.app.Read(fileUVLock)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		return fmt.Errorf("keeping the lock file that was resolved: %w", err)
	}
	return b.removeNew(before)
}

// pipCompile resolves requirements.
func (b *builder) pipCompile(ctx context.Context, to string) error {
	before, err := b.files()
	if err != nil {
		return err
	}
	d := b.d.deps
	manifest := d.manifest
	if d.reqs == nil && (manifest == filePipfile || manifest == fileProject && b.d.py.Tool.Poetry != nil) {
		// What uv does not read is written for it as a requirements.txt.
		var text strings.Builder
		for _, o := range b.d.indexOptions() {
			text.WriteString(o + "\n")
		}
		for _, r := range d.direct {
			text.WriteString(r.String() + "\n")
		}
		manifest = filepath.Join(os.TempDir(), "requirements.in")
		if err := os.WriteFile(manifest, []byte(text.String()), 0o600); err != nil {
			return fmt.Errorf("writing what is to be resolved: %w", err)
		}
		defer os.Remove(manifest)
	}
	args := []string{"uv", "pip", "compile", "--quiet", "--python", b.python.program, "--format", "pylock.toml",
		"--no-header", "--output-file", to}
	for _, e := range optionsOf(b.d.env).extras {
		if manifest == fileProject || manifest == fileSetup {
			args = append(args, "--extra", e)
		}
	}
	args = append(args, manifest)
	why := b.d.says() + " has no lock file"
	if _, ok := d.has("setuptools"); !ok {
		// A package that needs setuptools to run, and does not say which, is one of old.
		file, err := constraints()
		if err != nil {
			return err
		}
		defer os.Remove(file)
		err = b.run(ctx, append(slices.Clone(args), "--constraints", file), why)
		if err == nil {
			return b.removeNew(before)
		}
		if !strings.Contains(err.Error(), needsNewSetuptools) {
			return err
		}
	}
	if err := b.run(ctx, args, why); err != nil {
		return err
	}
	return b.removeNew(before)
}
