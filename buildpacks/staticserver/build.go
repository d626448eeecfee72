package staticserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/staticserver/prebuilt"
	"s2i/buildpacks/staticserver/server"
)

// Names within the layer site.
const (
	fileSite    = "site.json"
	dirFiles    = "files"
	dirVariants = "variants"
)

// builder is the state of one build.
type builder struct {
	bc   libcnb.BuildContext
	app  *kit.App
	site kit.Site
	// files are those to be served, by path below the site's root; ready are compressed forms that are there already.
	files map[string]*file
	ready map[string]map[string]string
	rules rules
	// server gives the program for an architecture.
	server func(arch string) ([]byte, error)
}

// Build makes the layers of the server and of the site, and the process.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return buildWith(bc, prebuilt.Server) }

func buildWith(bc libcnb.BuildContext, server func(arch string) ([]byte, error)) (libcnb.BuildResult, error) {
	return kit.Build(bc, func(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
		return (&builder{bc: bc, app: app, server: server}).build(ctx, env)
	})
}

// build makes the layers and the process.
func (b *builder) build(ctx context.Context, env kit.Env) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	var err error
	if b.site, err = kit.ReadSite(env); err != nil {
		return result, err
	}
	if b.app.Has(kit.Procfile) {
		b.site.Keep = true // its processes may need anything
	}
	program, err := b.program()
	if err != nil {
		return result, err
	}
	site, err := b.layer(ctx)
	if err != nil {
		return result, err
	}
	result.Layers = append(result.Layers, program, site)
	result.Processes = append(result.Processes, libcnb.Process{
		Type: kit.DefaultType, Default: true,
		Command: []string{filepath.Join(program.Path, "bin", "static-server"), filepath.Join(site.Path, fileSite)},
	})
	if b.site.Keep {
		return result, nil
	}
	return result, b.clear()
}

// program makes the layer of the server.
func (b *builder) program() (libcnb.Layer, error) {
	layer, err := b.bc.Layers.Layer("server")
	if err != nil {
		return layer, fmt.Errorf("reading layer server: %w", err)
	}
	arch := b.bc.TargetInfo.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	data, err := b.server(arch)
	if err != nil {
		return layer, err
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return layer, err
	}
	if err := writeFile(filepath.Join(layer.Path, "bin", "static-server"), data, 0o755); err != nil {
		return layer, fmt.Errorf("making layer server: %w", err)
	}
	return layer, nil
}

// layer makes the layer of the site, or takes over that of the previous image.
func (b *builder) layer(ctx context.Context) (libcnb.Layer, error) {
	layer, err := b.bc.Layers.Layer("site")
	if err != nil {
		return layer, fmt.Errorf("reading layer site: %w", err)
	}
	root, err := b.app.Root().OpenRoot(filepath.FromSlash(b.site.Root))
	if errors.Is(err, fs.ErrNotExist) {
		return layer, fmt.Errorf("looking for the site: the build has left no directory %s", b.site.Root)
	}
	if err != nil {
		return layer, fmt.Errorf("opening the site: %w", err)
	}
	defer root.Close()
	if err := b.collect(ctx, root); err != nil {
		return layer, err
	}
	types := libcnb.LayerTypes{Launch: true}
	key, err := b.key()
	if err != nil {
		return layer, err
	}
	if kit.Made(layer, key) {
		kit.Say(b.bc.Logger, "%d files of %s: nothing has changed, those of the previous image are used",
			len(b.files), b.site.Root)
		return kit.Mark(layer, types, key), nil
	}
	if layer, err = kit.Fresh(layer, types, key); err != nil {
		return layer, err
	}
	return layer, b.write(ctx, root, layer.Path)
}

// key stands for everything that the layer is made from.
func (b *builder) key() (string, error) {
	h := sha256.New()
	settings, err := json.Marshal([]any{Version, b.bc.ApplicationPath, b.site, b.rules})
	if err != nil {
		return "", fmt.Errorf("describing the site: %w", err)
	}
	fmt.Fprintf(h, "%s\n", settings)
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		fmt.Fprintf(h, "%q %x\n", name, b.files[name].digest)
		for _, suffix := range slices.Sorted(maps.Keys(b.ready[name])) {
			fmt.Fprintf(h, "+ %q %s\n", suffix, b.ready[name][suffix])
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// write fills the layer.
func (b *builder) write(ctx context.Context, root *os.Root, dir string) error {
	s := server.Site{
		Root: filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(b.site.Root)), Files: map[string]server.File{},
		IndexFallback: b.site.IndexFallback || b.rules.indexFallback, ForceHTTPS: b.site.ForceHTTPS,
		Live: b.site.FastCGI != nil, Hidden: b.site.Hidden,
	}
	for _, h := range append(b.site.Headers, b.rules.Headers...) {
		s.Headers = append(s.Headers, server.Header(h))
	}
	for _, r := range append(b.site.Redirects, b.rules.Redirects...) {
		s.Redirects = append(s.Redirects, server.Redirect(r))
	}
	if f := b.site.FastCGI; f != nil {
		s.FastCGI = &server.FastCGI{Command: f.Command, Front: f.Front, Suffix: f.Suffix}
	}
	w := &writer{root: root, variants: filepath.Join(dir, dirVariants), ready: b.ready}
	if !b.site.Keep {
		s.Root = filepath.Join(dir, dirFiles)
		w.files = s.Root
		if err := os.MkdirAll(s.Root, 0o755); err != nil {
			return fmt.Errorf("making layer site: %w", err)
		}
	}
	if err := w.all(ctx, b.files); err != nil {
		return err
	}
	total, compressed := int64(0), 0
	for name, f := range b.files {
		s.Files[name] = server.File{
			Size: f.size, Type: server.MediaType(name), Tag: f.tag(), Immutable: immutable(name, b.site.Immutable),
			Encodings: f.encodings,
		}
		total += f.size
		if len(f.encodings) > 0 {
			compressed++
			s.Variants = w.variants
		}
	}
	text, err := json.Marshal(s) // maps are written in the order of their keys
	if err != nil {
		return fmt.Errorf("describing the site: %w", err)
	}
	if err := writeFile(filepath.Join(dir, fileSite), text, 0o644); err != nil {
		return fmt.Errorf("making layer site: %w", err)
	}
	kit.Say(b.bc.Logger, "%d files of %s, %d kB, %d of them also compressed", len(s.Files), b.site.Root, total>>10, compressed)
	return nil
}

// clear removes the app from the image: what is served is in the layer.
func (b *builder) clear() error {
	entries, err := fs.ReadDir(b.app.FS(), ".")
	if err != nil {
		return fmt.Errorf("removing the sources: %w", err)
	}
	for _, e := range entries {
		if err := b.app.Root().RemoveAll(e.Name()); err != nil {
			return fmt.Errorf("removing the sources: %w", err)
		}
	}
	return nil
}

func writeFile(name string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, mode)
}
