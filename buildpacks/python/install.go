package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// install makes the layer venv, or takes it over from the previous image when nothing that it is made from has changed.
func (b *builder) install(ctx context.Context) error {
	layer, err := b.bc.Layers.Layer("venv")
	if err != nil {
		return fmt.Errorf("reading layer venv: %w", err)
	}
	args, text, err := b.requirements(ctx)
	if err != nil {
		return err
	}
	key, err := b.key(text)
	if err != nil {
		return err
	}
	types := libcnb.LayerTypes{Launch: true, Cache: b.collects()}
	commands := layer.Metadata["commands"]
	if kit.Made(layer, key) && commands != nil && (!types.Cache || kit.MadeHere(layer, key)) {
		if b.d.installsAnything() {
			kit.Say(b.bc.Logger, "nothing has changed, the packages of the previous image are used")
		}
		layer = kit.Mark(layer, types, key)
		layer.Metadata["commands"] = commands
		b.venv = layer
		b.result.Layers = append(b.result.Layers, layer)
		return nil
	}
	if layer, err = kit.Fresh(layer, types, key); err != nil {
		return err
	}
	if err := makeVenv(layer.Path, b.python); err != nil {
		return err
	}
	b.env["VIRTUAL_ENV"] = layer.Path
	if err := b.fill(ctx, layer.Path, args, text); err != nil {
		return err
	}
	names, err := os.ReadDir(filepath.Join(layer.Path, "bin"))
	if err != nil {
		return fmt.Errorf("reading the commands of the virtual environment: %w", err)
	}
	var list []any
	for _, n := range names {
		list = append(list, n.Name())
	}
	layer.Metadata["commands"] = list
	b.venv = layer
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

// requirements gives what is to be installed: the text of a requirements.txt, and how uv is to read it.
func (b *builder) requirements(ctx context.Context) (args []string, text string, err error) {
	d := b.d.deps
	switch {
	case d.manager == "" || d.reqs != nil && len(d.reqs.direct)+len(d.reqs.local)+len(d.reqs.bad) == 0 && !d.reqs.git:
		return nil, "", nil
	case d.manifest == fileProject && len(d.direct) == 0 && d.lock == "" && !b.dynamic():
		return nil, "", nil
	case d.file != nil:
		text, err = d.pins(b.bc.ApplicationPath, b.d.indexOptions())
		return b.strategy(), text, err
	case d.reqs != nil && d.reqs.hashed:
		for _, name := range d.reqs.files {
			data, err := b.app.Read(name)
			if err != nil {
				return nil, "", err
			}
			text += string(data) + "\n"
		}
		return nil, text, nil
	}
	text, err = b.resolve(ctx)
	return b.strategy(), text, err
}

// dynamic tells whether the project's build says what it needs.
func (b *builder) dynamic() bool {
	return b.d.py != nil && b.d.py.Project != nil && slices.Contains(b.d.py.Project.Dynamic, "dependencies")
}

// strategy lets uv look at all indexes for the exact files that are pinned.
func (b *builder) strategy() []string {
	if len(b.d.indexOptions()) == 0 {
		return nil
	}
	return []string{"--index-strategy", "unsafe-best-match"}
}

// fill installs packages and the project in a virtual environment. The byte code of the packages is made while the project
// is built.
func (b *builder) fill(ctx context.Context, venv string, args []string, text string) error {
	before, err := b.files()
	if err != nil {
		return err
	}
	if err := b.sync(ctx, args, text); err != nil {
		return err
	}
	lib, prefix := filepath.Join(venv, "lib"), filepath.Join(venv, cacheDir)
	packages, err := installed(lib)
	if err != nil {
		return err
	}
	compiled := make(chan error, 1)
	go func() { compiled <- b.compiler.compile(ctx, sortedKeys(packages), prefix, unchecked) }()
	err = b.installProject(ctx)
	if err := errors.Join(err, <-compiled); err != nil {
		return err
	}
	if err := b.removeNew(before); err != nil {
		return err
	}
	if err := normalise(venv); err != nil {
		return err
	}
	all, err := installed(lib)
	if err != nil {
		return err
	}
	maps.DeleteFunc(all, func(name string, info fs.FileInfo) bool { return same(packages[name], info) })
	if err := b.compiler.compile(ctx, sortedKeys(all), prefix, unchecked); err != nil {
		return err
	}
	return b.linkByteCode(venv)
}

// installed gives the Python files below a directory with what is known of them.
func installed(dir string) (map[string]fs.FileInfo, error) {
	files, err := pythonFiles(dir)
	if err != nil {
		return nil, err
	}
	infos := make(map[string]fs.FileInfo, len(files))
	for _, name := range files {
		if infos[name], err = os.Lstat(name); err != nil {
			return nil, fmt.Errorf("looking at what is installed: %w", err)
		}
	}
	return infos, nil
}

// same tells whether a file has not been replaced.
func same(old, now fs.FileInfo) bool {
	return old != nil && os.SameFile(old, now) && old.ModTime().Equal(now.ModTime()) && old.Size() == now.Size()
}

// sync installs a text of pinned requirements.
func (b *builder) sync(ctx context.Context, flags []string, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	file := filepath.Join(os.TempDir(), "s2i-requirements.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing what is to be installed: %w", err)
	}
	defer os.Remove(file)
	args := append([]string{"uv", "pip", "sync", "--python", b.venvPython(), "--no-break-system-packages"}, flags...)
	if b.d.deps.reqs != nil && b.d.deps.reqs.hashed {
		args = append(args, "--require-hashes", b.d.deps.lock)
	} else {
		args = append(args, file)
	}
	return b.runWithOld(ctx, args, b.d.says()+" is there")
}

// installProject installs the app itself, when it is a package.
func (b *builder) installProject(ctx context.Context) error {
	if !b.d.project {
		return nil
	}
	args := []string{"uv", "pip", "install", "--python", b.venvPython(), "--no-deps"}
	if b.d.editable {
		args = append(args, "--editable")
	}
	return b.run(ctx, append(args, b.bc.ApplicationPath), "the project has a [build-system]")
}

func (b *builder) venvPython() string {
	return filepath.Join(b.bc.Layers.Path, "venv", "bin", "python")
}

// pkgResources is the last line of versions of setuptools that have the module pkg_resources. Many packages of old use
// it, when they run or when they are built, without saying so, because setuptools was once in every environment.
const pkgResources = "setuptools<82"

// needsPkgResources is the advice for that, by which the failure is known.
const needsPkgResources = "the package needs the module pkg_resources, which " + pkgResources + " has: update the package"

// needsNewSetuptools is the advice for the opposite.
const needsNewSetuptools = "a package needs a setuptools that is not " + pkgResources

// runWithOld runs uv; when a package cannot be built for want of pkg_resources, once more with a setuptools that has it.
func (b *builder) runWithOld(ctx context.Context, args []string, why string) error {
	err := b.run(ctx, args, why)
	if err == nil || !strings.Contains(err.Error(), needsPkgResources) || b.env["UV_BUILD_CONSTRAINT"] != "" {
		return err
	}
	file, errFile := constraints()
	if errFile != nil {
		return errors.Join(err, errFile)
	}
	defer os.Remove(file)
	kit.Say(b.bc.Logger, "once more, with %s for packages that are built", pkgResources)
	b.env["UV_BUILD_CONSTRAINT"] = file
	defer delete(b.env, "UV_BUILD_CONSTRAINT")
	return b.run(ctx, args, why)
}

// constraints writes a file that holds setuptools back.
func constraints() (string, error) {
	file := filepath.Join(os.TempDir(), "s2i-constraints.txt")
	if err := os.WriteFile(file, []byte(pkgResources+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing the constraints of a build: %w", err)
	}
	return file, nil
}

func (b *builder) run(ctx context.Context, args []string, why string) error {
	kit.Say(b.bc.Logger, "%s", strings.Join(args, " "))
	return kit.Command{Args: args, Dir: b.bc.ApplicationPath, Env: b.env, Out: kit.Out(b.bc.Logger), Why: why,
		Advice: b.advice()}.Run(ctx)
}

// files gives the names of everything in the app.
func (b *builder) files() (map[string]bool, error) {
	names := map[string]bool{}
	err := fs.WalkDir(b.app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		names[name] = true
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the app: %w", err)
	}
	return names, nil
}

// removeNew removes what builds of packages have left in the app's directory. It would not be there when the layer is
// taken over, and so the app would not be the same.
func (b *builder) removeNew(before map[string]bool) error {
	after, err := b.files()
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(after) {
		if !before[name] && before[path.Dir(name)] {
			if err := b.app.Root().RemoveAll(filepath.FromSlash(name)); err != nil {
				return fmt.Errorf("removing %s: %w", name, err)
			}
		}
	}
	return nil
}

// key gives a digest of everything that the virtual environment is a function of.
func (b *builder) key(text string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %t %t\n", Version, minor(b.python.version), b.arch(), b.bc.ApplicationPath,
		b.d.project, b.d.editable)
	fmt.Fprintf(h, "%q\n%q\n", text, b.d.indexOptions())
	local := b.localPaths()
	if b.d.project && b.d.editable {
		if err := b.layout(h); err != nil {
			return "", err
		}
	} else if b.d.project {
		local = append(local, ".")
	}
	for _, name := range local {
		if err := b.contents(h, name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// localPaths gives the directories and files of the app that are installed as packages.
func (b *builder) localPaths() []string {
	var list []string
	if b.d.deps.chosen != nil {
		for _, e := range b.d.deps.chosen.entries {
			if e.Path != "" && e.Path != "." {
				list = append(list, e.Path)
			}
		}
	}
	if b.d.deps.reqs != nil {
		list = append(list, b.d.deps.reqs.local...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// layout adds what a link to the project's sources depends on: what describes the project, and which directories and
// modules there are, but not what is in them.
func (b *builder) layout(w hash.Hash) error {
	for _, name := range []string{fileProject, "setup.cfg", fileSetup, "MANIFEST.in", "README.md", "README.rst", "VERSION"} {
		if data, err := b.app.Read(name); err == nil {
			fmt.Fprintf(w, "%q %d\n%s", name, len(data), data)
		}
	}
	return fs.WalkDir(b.app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (leaveOut(d.Name()) && name != "." || strings.Count(name, "/") > 2):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(name, ".py") && strings.Count(name, "/") <= 1:
			fmt.Fprintf(w, "%q\n", name)
		}
		base := path.Base(name)
		if base == "__init__.py" && strings.Count(name, "/") <= 2 || base == "_version.py" || base == "__about__.py" {
			return b.version(w, name)
		}
		return nil
	})
}

// version adds the line of a file that says the project's version, which build systems read from there.
func (b *builder) version(w hash.Hash, name string) error {
	data, err := b.app.Read(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "version") {
			fmt.Fprintf(w, "%q\n", line)
		}
	}
	return nil
}

// contents adds a file or directory of the app with everything in it.
func (b *builder) contents(w hash.Hash, root string) error {
	return fs.WalkDir(b.app.FS(), root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := b.app.Read(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%q %d\n", name, len(data))
		_, err = w.Write(data)
		return err
	})
}

func (b *builder) advice() []kit.Advice {
	compile := "a package has no wheel for Python " + minor(b.python.version) + " and is compiled: add what it needs with " +
		kit.EnvBuildPackages + "=\"libfoo-dev\" (any value brings the compiler), or choose a version of the package, " +
		"or of Python (" + envVersion + "), for which there are wheels"
	const bind = "bind a netrc, a pip.conf (type pip) or a uv.toml (type uv)"
	return []kit.Advice{
		{Sign: "No module named 'pkg_resources'", Say: needsPkgResources},
		{Sign: pkgResources, Say: needsNewSetuptools},
		{Sign: "401 Unauthorized", Say: "the index wants credentials: " + bind},
		{Sign: "403 Forbidden", Say: "the index refuses: " + bind + " with credentials"},
		{Sign: "pg_config", Say: "psycopg2 is compiled: set " + kit.EnvBuildPackages + "=libpq-dev, or use psycopg2-binary"},
		{Sign: "Python.h", Say: compile},
		{Sign: "command 'gcc' failed", Say: compile},
		{Sign: "gcc", Say: compile},
		{Sign: "pkg-config", Say: compile},
		{Sign: "cargo", Say: "a package is compiled from Rust: set " + kit.EnvBuildPackages + "=rust, " +
			"or choose a version that has wheels"},
		{Sign: "because Hash mismatch", Say: "the lock file's hashes are not those of the files in the index: lock again"},
		{Sign: "Hash mismatch", Say: "the lock file's hashes are not those of the files in the index: lock again"},
		{Sign: "No module named 'distutils'", Say: "the package is too old for Python " + minor(b.python.version)},
	}
}
