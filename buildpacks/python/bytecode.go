package python

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// cacheDir is the directory of the virtual environment that PYTHONPYCACHEPREFIX names: byte code of everything is below
// it. The stack's Python comes without, and neither its directories nor those of the app can be written to when the image
// runs. What is of the packages is there itself; the rest are links to layers of their own:
//
//	bytecode-stdlib  the standard library's, the same for all apps with this Python
//	bytecode-app     the app's
//
// The byte code of the packages and of the app is not checked against its sources at run time, since they come together.
// That of the standard library is: a rebase may bring another patch of Python, whose sources count then.
const cacheDir = "pycache"

// compileInstalled makes the byte code of the packages, and the links.
func (b *builder) compileInstalled(ctx context.Context, venv string) error {
	installed, err := pythonFiles(filepath.Join(venv, "lib"))
	if err != nil {
		return err
	}
	prefix := filepath.Join(venv, cacheDir)
	if err := b.compileFiles(ctx, installed, prefix, "unchecked-hash"); err != nil {
		return err
	}
	for dir, layer := range map[string]string{b.bc.ApplicationPath: "bytecode-app", b.python.stdlib: "bytecode-stdlib"} {
		link := filepath.Join(prefix, dir)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("linking the byte code of %s: %w", dir, err)
		}
		if err := os.Symlink(b.layerPath(layer), link); err != nil {
			return fmt.Errorf("linking the byte code of %s: %w", dir, err)
		}
	}
	return nil
}

// compile makes the layers of byte code.
func (b *builder) compile(ctx context.Context) error {
	files, err := pythonFiles(b.bc.ApplicationPath)
	if err != nil {
		return err
	}
	if err := b.bytecodeLayer(ctx, bytecode{layer: "bytecode-app", below: b.bc.ApplicationPath, files: files,
		mode: "unchecked-hash"}); err != nil {
		return err
	}
	standard, err := pythonFiles(b.python.stdlib)
	if err != nil {
		return err
	}
	return b.bytecodeLayer(ctx, bytecode{layer: "bytecode-stdlib", below: b.python.stdlib, files: standard,
		mode: "checked-hash", key: Version + " " + b.python.version})
}

// bytecode is what a layer of byte code is made from.
type bytecode struct {
	// layer is its name, key what it is a function of; without one it is made anew in every build.
	layer, key string
	files      []string
	// mode is how the byte code is checked against its sources at run time.
	mode string
	// below is the directory of the sources that the layer begins at.
	below string
}

// bytecodeLayer makes a layer of byte code, or takes it over.
func (b *builder) bytecodeLayer(ctx context.Context, c bytecode) error {
	layer, err := b.bc.Layers.Layer(c.layer)
	if err != nil {
		return fmt.Errorf("reading layer %s: %w", c.layer, err)
	}
	types := libcnb.LayerTypes{Launch: true}
	if kit.Made(layer, c.key) {
		b.result.Layers = append(b.result.Layers, kit.Mark(layer, types, c.key))
		return nil
	}
	if layer, err = kit.Fresh(layer, types, c.key); err != nil {
		return err
	}
	scratch := layer.Path + ".new"
	defer os.RemoveAll(scratch)
	if err := b.compileFiles(ctx, c.files, scratch, c.mode); err != nil {
		return err
	}
	made := filepath.Join(scratch, c.below)
	if err := os.MkdirAll(made, 0o755); err != nil {
		return fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	if err := os.RemoveAll(layer.Path); err != nil {
		return fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	if err := os.Rename(made, layer.Path); err != nil {
		return fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

// pythonFiles gives the Python files below a directory that may be imported, sorted.
func pythonFiles(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == root:
			return nil
		case err != nil:
			return err
		case d.IsDir() && name != root && neverImported(d.Name()):
			return fs.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(name, ".py") && !strings.ContainsAny(name, "\n\r") && !rareCodec(name):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for Python files in %s: %w", root, err)
	}
	return files, nil
}

// rareCodec tells whether a file is one of the standard library's hundred codecs for character sets of old.
func rareCodec(name string) bool {
	dir, base := filepath.Split(name)
	if filepath.Base(dir) != "encodings" {
		return false
	}
	switch base {
	case "__init__.py", "aliases.py", "utf_8.py", "utf_8_sig.py", "utf_16.py", "utf_32.py", "latin_1.py", "ascii.py",
		"idna.py", "punycode.py", "cp437.py", "cp1252.py", "raw_unicode_escape.py", "unicode_escape.py", "iso8859_1.py":
		return false
	}
	return true
}

// neverImported tells whether a directory holds files that a running app does not import.
func neverImported(name string) bool {
	switch name {
	case "node_modules", "tests", "test", "idlelib", "turtledemo", "tkinter", "ensurepip", "lib2to3", "pydoc_data",
		"__pycache__", "distutils":
		return true
	}
	return strings.HasPrefix(name, ".")
}

// shards is in how many parts files are compiled. What one process writes can depend on what it compiled before, so the
// number must not depend on the machine.
const shards = 4

// compileFiles compiles files into the prefix. Files that do not compile are left out: templates and examples of other
// versions of Python are among the packages' files.
func (b *builder) compileFiles(ctx context.Context, files []string, prefix, mode string) error {
	if len(files) == 0 {
		return nil
	}
	limit := make(chan struct{}, max(1, runtime.NumCPU()))
	errs := make([]error, shards)
	var wg sync.WaitGroup
	for i := range shards {
		var part []string
		for j := i; j < len(files); j += shards {
			part = append(part, files[j])
		}
		if len(part) == 0 {
			continue
		}
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			errs[i] = b.compileShard(ctx, part, prefix, mode)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// compileShard runs compileall, whose exit code 1 tells of files that do not compile.
func (b *builder) compileShard(ctx context.Context, files []string, prefix, mode string) error {
	list, err := os.CreateTemp("", "s2i-compile-")
	if err != nil {
		return fmt.Errorf("writing the list of files to compile: %w", err)
	}
	defer os.Remove(list.Name())
	if _, err := list.WriteString(strings.Join(files, "\n") + "\n"); err != nil {
		return errors.Join(fmt.Errorf("writing the list of files to compile: %w", err), list.Close())
	}
	if err := list.Close(); err != nil {
		return fmt.Errorf("writing the list of files to compile: %w", err)
	}
	// The variable that forbids to write byte code stays: it is about what the program itself imports.
	env := b.env.With(kit.Env{"PYTHONPYCACHEPREFIX": prefix})
	delete(env, "SOURCE_DATE_EPOCH")
	err = kit.Command{
		Args: []string{b.python.program, "-m", "compileall", "-qq", "--invalidation-mode", mode, "-i", list.Name()},
		Dir:  "/", Env: env, Why: "byte code makes the app start faster",
	}.Run(ctx)
	if slices.Contains([]int{0, 1}, kit.ExitCode(err)) {
		return nil
	}
	return err
}
