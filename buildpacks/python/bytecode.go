package python

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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

// standardLayer is the layer of the standard library's byte code.
const standardLayer = "bytecode-stdlib"

// linkByteCode makes the links from a virtual environment to the layers of byte code.
func (b *builder) linkByteCode(venv string) error {
	for dir, layer := range map[string]string{b.bc.ApplicationPath: "bytecode-app", b.python.stdlib: standardLayer} {
		link := filepath.Join(venv, cacheDir, dir)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("linking the byte code of %s: %w", dir, err)
		}
		if err := os.Symlink(b.layerPath(layer), link); err != nil {
			return fmt.Errorf("linking the byte code of %s: %w", dir, err)
		}
	}
	return nil
}

// compileApp makes the layer of the app's byte code.
func (b *builder) compileApp(ctx context.Context) error {
	files, err := pythonFiles(b.bc.ApplicationPath)
	if err != nil {
		return err
	}
	layer, err := b.bytecodeLayer(ctx, bytecode{layer: "bytecode-app", below: b.bc.ApplicationPath, files: files,
		flags: unchecked})
	b.result.Layers = append(b.result.Layers, layer)
	return err
}

// compileStandard starts to make the layer of the standard library's byte code, beside the installation, which waits for
// the network. The layer is there when wait returns, which must be called.
func (b *builder) compileStandard(ctx context.Context) (wait func() error) {
	var layer libcnb.Layer
	done := make(chan error, 1)
	go func() {
		files, err := pythonFiles(b.python.stdlib)
		if err == nil {
			files = slices.DeleteFunc(files, b.python.seldom)
			layer, err = b.bytecodeLayer(ctx, bytecode{layer: standardLayer, below: b.python.stdlib, files: files,
				flags: checked, key: fmt.Sprint(Version, " ", b.python.version, " ", len(files))})
		}
		done <- err
	}()
	return func() error {
		err := <-done
		b.result.Layers = append(b.result.Layers, layer)
		return err
	}
}

// bytecode is what a layer of byte code is made from.
type bytecode struct {
	// layer is its name, key what it is a function of; without one it is made anew in every build.
	layer, key string
	files      []string
	flags      pycFlags
	// below is the directory of the sources that the layer begins at.
	below string
}

// bytecodeLayer makes a layer of byte code, or takes it over.
func (b *builder) bytecodeLayer(ctx context.Context, c bytecode) (libcnb.Layer, error) {
	layer, err := b.bc.Layers.Layer(c.layer)
	if err != nil {
		return layer, fmt.Errorf("reading layer %s: %w", c.layer, err)
	}
	types := libcnb.LayerTypes{Launch: true}
	if kit.Made(layer, c.key) {
		return kit.Mark(layer, types, c.key), nil
	}
	if layer, err = kit.Fresh(layer, types, c.key); err != nil {
		return layer, err
	}
	scratch := layer.Path + ".new"
	defer os.RemoveAll(scratch)
	if err := b.compiler.compile(ctx, c.files, scratch, c.flags); err != nil {
		return layer, err
	}
	made := filepath.Join(scratch, c.below)
	if err := os.MkdirAll(made, 0o755); err != nil {
		return layer, fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	if err := os.RemoveAll(layer.Path); err != nil {
		return layer, fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	if err := os.Rename(made, layer.Path); err != nil {
		return layer, fmt.Errorf("making layer %s: %w", c.layer, err)
	}
	return layer, nil
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

// seldom tells whether a file of the standard library is one that next to no app imports: tools for developers, copies in
// Python of what is there in C, what is for other systems.
func (in interpreter) seldom(name string) bool {
	rel, err := filepath.Rel(in.stdlib, name)
	if err != nil {
		return false
	}
	top, _, _ := strings.Cut(rel, string(filepath.Separator))
	switch strings.TrimSuffix(top, ".py") {
	case "_pydatetime", "_pydecimal", "_pyio", "_pyrepl", "antigravity", "cProfile", "curses", "doctest", "ftplib", "imaplib",
		"mailbox", "modulefinder", "nturl2path", "pdb", "pickletools", "poplib", "profile", "pstats", "pyclbr", "rlcompleter",
		"sre_compile", "sre_constants", "sre_parse", "tabnanny", "this", "trace", "turtle", "venv", "wave", "xmlrpc", "zipapp",
		"_aix_support", "_android_support", "_apple_support", "_ios_support", "_osx_support":
		return true
	}
	switch base := filepath.Base(rel); {
	case strings.HasPrefix(base, "windows_"), strings.HasSuffix(base, "_win32.py"), base == "proactor_events.py",
		base == "wintypes.py", filepath.Base(filepath.Dir(rel)) == "macholib":
		return true
	}
	return false
}
