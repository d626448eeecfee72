package php

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// bindingComposer is the type of the binding that carries credentials.
const bindingComposer = "composer"

// envRepository is the repository that stands in for Composer's own.
const envRepository = "S2I_COMPOSER_REPOSITORY"

// install runs Composer. Classes are found below the directory of vendor, so it must be in the app itself; the layer
// packages keeps a copy from build to build, and Composer changes in it only what the lock says.
func (b *builder) install(ctx context.Context, version string) error {
	packages, err := b.bc.Layers.Layer("packages")
	if err != nil {
		return fmt.Errorf("reading layer packages: %w", err)
	}
	downloads, err := kit.Cache(b.bc.Layers, "downloads")
	if err != nil {
		return err
	}
	key := b.key(version)
	vendor := filepath.Join(b.bc.ApplicationPath, "vendor")
	if kit.MadeHere(packages, key) {
		kit.Say(b.bc.Logger, "%s: nothing has changed, the packages of the previous build are used", fileLock)
		if err := os.CopyFS(vendor, os.DirFS(packages.Path)); err != nil {
			return fmt.Errorf("taking the packages from the cache: %w", err)
		}
	}
	if err := b.composer(ctx, downloads.Path); err != nil {
		return err
	}
	if b.d.lock == nil {
		data, err := b.app.Read(fileLock)
		if err == nil {
			err = kit.KeepLock(b.bc.Layers, fileLock, data)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	b.result.Layers = append(b.result.Layers, downloads)
	b.result.Slices = append(b.result.Slices, libcnb.Slice{Paths: []string{"vendor", "vendor/**"}})
	if b.d.lock == nil || len(b.d.lock.Packages) == 0 {
		return nil
	}
	if _, local := b.d.lock.sources(); local > 0 {
		return nil // packages that are part of the app change with it
	}
	if packages, err = kit.Fresh(packages, libcnb.LayerTypes{Cache: true}, key); err != nil {
		return err
	}
	if err := os.CopyFS(packages.Path, os.DirFS(vendor)); err != nil {
		return fmt.Errorf("keeping the packages: %w", err)
	}
	b.result.Layers = append(b.result.Layers, packages)
	return nil
}

// key stands for what the packages are made from.
func (b *builder) key(version string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", Version, version)
	for _, name := range []string{fileManifest, fileLock} {
		data, err := b.app.Read(name)
		if err != nil {
			return "" // no lock, so nothing to rely on
		}
		fmt.Fprintf(h, "%s %d\n%s\n", name, len(data), data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// composer runs composer install.
func (b *builder) composer(ctx context.Context, downloads string) error {
	home, err := os.MkdirTemp("", "composer-")
	if err != nil {
		return fmt.Errorf("making a home for composer: %w", err)
	}
	defer os.RemoveAll(home)
	if err := b.configure(home); err != nil {
		return err
	}
	env := b.env.With(kit.Env{
		"COMPOSER_HOME": home, "COMPOSER_CACHE_DIR": downloads, "COMPOSER_NO_INTERACTION": "1", "COMPOSER_ALLOW_SUPERUSER": "1",
		"COMPOSER_ROOT_VERSION": b.env.Or("COMPOSER_ROOT_VERSION", "1.0.0"), "COMPOSER_DISABLE_XDEBUG_WARN": "1",
		"COMPOSER_NO_AUDIT": "1", "COMPOSER_FUND": "0", "COLUMNS": "1000", // not to break addresses
		"HOME": b.env.Or("HOME", home), "GIT_TERMINAL_PROMPT": "0",
	})
	for name, value := range b.d.variables() {
		env[name] = b.env.Or(name, value)
	}
	args := []string{"composer", "install", "--no-dev", "--no-progress", "--prefer-dist", "--optimize-autoloader"}
	kit.Say(b.bc.Logger, "composer install --no-dev")
	why := fileManifest + " is there, and no directory vendor"
	if b.d.lock != nil {
		why = fileLock + " is there, and no directory vendor"
	}
	return kit.Command{
		Args: args, Dir: b.bc.ApplicationPath, Env: env, Out: kit.Out(b.bc.Logger), Why: why,
		Advice: []kit.Advice{
			{Sign: "Could not authenticate", Say: "bind credentials: a binding of type composer with a file auth.json"},
			{Sign: "could not be fully loaded", Say: unreachable()},
			{Sign: "curl error", Say: unreachable()},
			{Sign: "could not be downloaded", Say: unreachable()},
			{Sign: "does not satisfy that requirement", Say: "set " + envVersion + ", or run `composer update` with that version of PHP"},
			{Sign: "not up to date with the latest changes", Say: "run `composer update --lock` and commit " + fileLock},
		},
	}.Run(ctx)
}

func unreachable() string {
	return "set " + envRepository + " to a mirror that can be reached, or commit the directory vendor"
}

// configure writes Composer's own settings: which repository stands in for the public one, and where the credentials
// are.
func (b *builder) configure(home string) error {
	if mirror := b.env[envRepository]; mirror != "" {
		text, err := json.Marshal(map[string]any{"repositories": []any{
			map[string]any{"type": "composer", "url": mirror}, map[string]any{"packagist": false},
		}})
		if err == nil {
			err = writeFile(filepath.Join(home, "config.json"), string(text))
		}
		if err != nil {
			return fmt.Errorf("writing composer's settings: %w", err)
		}
	}
	for _, binding := range b.bc.Platform.Bindings {
		if binding.Type != bindingComposer {
			continue
		}
		if file, ok := binding.SecretFilePath("auth.json"); ok {
			if err := os.Symlink(file, filepath.Join(home, "auth.json")); err != nil {
				return fmt.Errorf("linking composer's credentials: %w", err)
			}
		}
	}
	return nil
}
