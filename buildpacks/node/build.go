package node

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	app    *kit.App
	d      *decision
	env    kit.Env
	result libcnb.BuildResult
	// commands are those of the packages that the app depends on.
	commands map[string]string
	// outer is the whole app, and sub the place of the package.json in it: "." unless this is a frontend.
	outer, sub string
	frontend   bool
}

// layer gives a layer of this part of the app.
func (b *builder) layer(name string) (libcnb.Layer, error) {
	if b.sub != "." {
		name += "-" + strings.NewReplacer("/", "-", ".", "-").Replace(b.sub)
	}
	layer, err := b.bc.Layers.Layer(name)
	if err != nil {
		return layer, fmt.Errorf("reading layer %s: %w", name, err)
	}
	return layer, nil
}

// place is where the package.json is below the copy of the whole app in dir.
func (b *builder) place(dir string) string { return filepath.Join(dir, filepath.FromSlash(b.sub)) }

// frontendPart builds one frontend.
func (b *builder) frontendPart(ctx context.Context) error {
	if err := b.removeInstalled(); err != nil {
		return err
	}
	if !b.d.installs() {
		return b.runTasks(ctx, b.bc.ApplicationPath)
	}
	if err := b.withPackages(ctx); err != nil {
		return err
	}
	return b.removeInstalled()
}

// Build installs the packages, runs the app's scripts and contributes the processes.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	d, err := decide(app, env)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	b := &builder{bc: bc, app: app, d: d, env: toolEnv(d.manager, env), result: libcnb.NewBuildResult(),
		outer: app.Dir, sub: "."}
	if err := b.removeInstalled(); err != nil {
		return b.result, err
	}
	if d.installs() {
		err = b.withPackages(ctx)
	} else {
		err = b.runTasks(ctx, bc.ApplicationPath)
		if err == nil && d.site() != nil {
			err = b.onlySite()
		}
	}
	if err != nil {
		return b.result, err
	}
	if err := b.removeConfiguration(); err != nil {
		return b.result, err
	}
	return b.result, b.processes()
}

// removeInstalled removes what was installed on somebody's machine and came along with the sources.
func (b *builder) removeInstalled() error {
	for _, m := range b.d.project.all() {
		if err := b.app.Root().RemoveAll(filepath.FromSlash(path.Join(m.Dir, "node_modules"))); err != nil {
			return fmt.Errorf("removing %s/node_modules: %w", m.Dir, err)
		}
	}
	return nil
}

// removeConfiguration removes from the app what only package managers read: it is of no use at run time, and it may
// hold credentials.
func (b *builder) removeConfiguration() error {
	names := []string{".npmrc", ".yarn/cache", ".yarn/unplugged", ".yarn/install-state.gz", ".pnp.cjs", ".pnp.loader.mjs",
		"npm-packages-offline-cache"}
	for _, m := range b.d.project.members {
		names = append(names, path.Join(m.Dir, ".npmrc"))
	}
	for _, name := range names {
		if err := b.app.Root().RemoveAll(filepath.FromSlash(name)); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// nodeVersion asks node for its version: packages may be compiled for it.
func (b *builder) nodeVersion(ctx context.Context) (string, error) {
	return kit.Command{
		Args: []string{"node", "--version"}, Dir: b.bc.ApplicationPath, Env: b.env, Out: kit.Out(b.bc.Logger),
		Why: "package.json is there",
	}.Output(ctx)
}

// withPackages brings the packages in place, runs the scripts, and makes the layers:
//
//	modules    launch: the packages that the app needs at run time; taken over from the previous image, without any
//	           installation, when nothing that they depend on has changed
//	packages   cache: all packages, when there are scripts that need them
//	downloads  cache: the package manager's own
//
// The scripts run in the directory of the layer modules, on a copy of the sources, so that packages are where they will
// be at run time and no other path gets into what is made; it is moved aside in the end.
func (b *builder) withPackages(ctx context.Context) error {
	modules, err := b.layer("modules")
	if err != nil {
		return err
	}
	packages, err := b.layer("packages")
	if err != nil {
		return err
	}
	m, key, err := b.inputs(ctx)
	if err != nil {
		return err
	}
	scripted := b.d.scripted()
	reuse := kit.Made(modules, key)
	if reuse && !scripted {
		kit.Say(b.bc.Logger, "%s: nothing has changed, the packages of the previous image are used", b.d.manager.Name)
		if err := b.keepDownloads(); err != nil {
			return err
		}
		if err := b.keepLock(key, ""); err != nil {
			return err
		}
		return b.takeOver(modules, key)
	}
	if err := b.installTo(ctx, m, key, modules, packages); err != nil {
		return err
	}
	changed, err := b.scripts(ctx, modules.Path, key)
	if err != nil {
		return err
	}
	if changed {
		key = "" // what is in the layers is a function of more than the key
	}
	if err := moveAside(modules.Path, packages.Path); err != nil {
		return err
	}
	if scripted && key != "" {
		b.result.Layers = append(b.result.Layers, kit.Mark(packages, libcnb.LayerTypes{Cache: true}, key))
	}
	if b.frontend || b.d.bundled() {
		return nil
	}
	if reuse && !changed {
		return b.takeOver(modules, key)
	}
	return b.placeModules(modules, packages.Path, key)
}

// moveAside moves an installation to the directory of the layer packages.
func moveAside(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("making layer packages: %w", err)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("making layer packages: %w", err)
	}
	return nil
}

// inputs gives the mirror and the key of the installation.
func (b *builder) inputs(ctx context.Context) (*mirror, string, error) {
	m, err := newMirror(b.d, b.env)
	if err != nil {
		return nil, "", err
	}
	version, err := b.nodeVersion(ctx)
	if err != nil {
		return nil, "", err
	}
	arch := b.bc.TargetInfo.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	key, err := m.key(append(b.d.runningKey(), Version, version, arch, b.d.manager.Name, b.d.manager.Version.Value,
		b.d.main.Dir, b.bc.ApplicationPath, strconv.FormatBool(b.d.scripted()), patchKey(), b.d.adapter())...)
	return m, key, err
}

// keepDownloads keeps the package manager's cache.
func (b *builder) keepDownloads() error {
	downloads, err := kit.Cache(b.bc.Layers, "downloads")
	b.result.Layers = slices.DeleteFunc(b.result.Layers, func(l libcnb.Layer) bool { return l.Name == downloads.Name })
	b.result.Layers = append(b.result.Layers, downloads)
	return err
}

// installTo makes the installation in the directory of the layer modules: the cached one, or a new one.
func (b *builder) installTo(ctx context.Context, m *mirror, key string, modules, packages libcnb.Layer) error {
	if err := b.keepDownloads(); err != nil {
		return err
	}
	if err := os.RemoveAll(modules.Path); err != nil {
		return fmt.Errorf("emptying layer modules: %w", err)
	}
	if b.d.scripted() && kit.MadeHere(packages, key) {
		kit.Say(b.bc.Logger, "%s: nothing has changed, the packages of the previous build are used", b.d.manager.Name)
		if err := os.Rename(packages.Path, modules.Path); err != nil {
			return fmt.Errorf("taking the packages from the cache: %w", err)
		}
		return b.keepLock(key, "")
	}
	if err := m.write(b.place(modules.Path)); err != nil {
		return err
	}
	in := &installation{manager: b.d.manager, dir: b.place(modules.Path), env: b.env.With(nil), dev: b.d.scripted(),
		downloads: filepath.Join(b.bc.Layers.Path, "downloads")}
	if b.d.manager.Lock == "" {
		in.env["npm_config_omit_lockfile_registry_resolved"] = "true" // the lock is to hold with every mirror
		kit.Say(b.bc.Logger, "warning: there is no lock file, so the newest versions that package.json allows are installed")
	}
	version, err := b.nodeVersion(ctx)
	if err == nil {
		err = provideHeaders(in.env, version)
	}
	if err != nil {
		return err
	}
	err = in.run(ctx, b.bc)
	if missing := drift(b.d.project, b.d.manager); err != nil && len(missing) > 0 {
		err = fmt.Errorf("%w; not in %s as they are: %s", err, b.d.manager.Lock, strings.Join(missing, ", "))
	}
	if err != nil {
		return err
	}
	if err := b.keepLock(key, in.dir); err != nil || !b.d.scripted() {
		return err
	}
	if err := b.adapt(ctx, b.place(modules.Path)); err != nil {
		return err
	}
	if err := b.prune(b.place(modules.Path)); err != nil {
		return err
	}
	return b.patchPackages(b.place(modules.Path))
}

// scripts runs the app's scripts on the installation in dir, which key stands for, brings what they make to the app, and
// tells whether they changed the installation.
func (b *builder) scripts(ctx context.Context, dir, key string) (changed bool, err error) {
	if !b.d.scripted() {
		return false, nil
	}
	t := &workTree{dir: dir, app: b.outer}
	for _, m := range b.d.project.all() {
		home := path.Join(b.sub, m.Dir)
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(home), "node_modules")); err == nil {
			t.homes = append(t.homes, home)
		}
	}
	if err := t.fill(); err != nil {
		return false, err
	}
	if err := b.cachedTasks(ctx, dir, key); err != nil {
		return false, err
	}
	if err := b.addFetchServer(b.place(dir)); err != nil {
		return false, err
	}
	for _, home := range t.homes {
		modules := filepath.Join(dir, filepath.FromSlash(home), "node_modules")
		touched, err := changedSince(modules, t.filled)
		if err != nil {
			return false, err
		}
		changed = changed || touched
	}
	if err := b.bringOutput(t); err != nil {
		return false, err
	}
	if err := removeToolCaches(dir, t.homes); err != nil {
		return false, err
	}
	if _, err := t.clear("."); err != nil {
		return false, fmt.Errorf("tidying up after the build: %w", err)
	}
	return changed, b.keepManifests(b.place(dir))
}

// cachedTasks runs the scripts on the tree in dir, with the caches of their tools in place.
func (b *builder) cachedTasks(ctx context.Context, dir, key string) error {
	caches, err := b.findCaches(dir, key)
	if err != nil {
		return err
	}
	if err := caches.restore(); err != nil {
		return err
	}
	finish, err := b.repeatable(dir)
	if err != nil {
		return err
	}
	if err := b.runTasks(ctx, b.place(dir)); err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	layer, kept, err := caches.keep(b.d.framework != nil && b.d.framework.Seeded)
	if kept {
		b.result.Layers = append(b.result.Layers, layer)
	}
	return err
}

// keepManifests puts the manifests of the workspaces' packages back beside the installed ones, for finding out what
// depends on what.
func (b *builder) keepManifests(dir string) error {
	for _, m := range b.d.project.all() {
		file := filepath.Join(dir, filepath.FromSlash(m.file()))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("keeping %s: %w", m.file(), err)
		}
		if err := os.WriteFile(file, m.data, 0o644); err != nil {
			return fmt.Errorf("keeping %s: %w", m.file(), err)
		}
	}
	return nil
}

// bundled tells that what the build made needs no packages beside it.
func (d *decision) bundled() bool {
	return d.scripted() && (d.site() != nil || d.framework != nil && d.framework.Bundled)
}

// link makes node_modules in the app's packages: symlinks into a layer.
func (b *builder) link(layer string, homes []string) error {
	if err := b.removeInstalled(); err != nil {
		return err
	}
	for _, home := range homes {
		rel := filepath.Join(filepath.FromSlash(home), "node_modules")
		if err := b.app.Root().RemoveAll(rel); err != nil {
			return fmt.Errorf("removing %s: %w", rel, err)
		}
		if err := b.app.Root().Symlink(filepath.Join(layer, rel), rel); err != nil {
			return fmt.Errorf("linking %s to its layer: %w", rel, err)
		}
	}
	return nil
}

// placeModules makes the layer modules from the installation.
func (b *builder) placeModules(modules libcnb.Layer, installation, key string) error {
	modules, err := kit.Fresh(modules, libcnb.LayerTypes{Launch: true}, key)
	if err != nil {
		return err
	}
	from := b.d.running()
	if b.d.main != b.d.project.root {
		from = append(from, b.d.project.root)
	}
	c, err := findClosure(installation, from)
	if err != nil {
		return err
	}
	for _, name := range c.missing {
		kit.Say(b.bc.Logger, "warning: %s is not installed", name)
	}
	homes, err := c.place(placement{
		From: installation, To: modules.Path, AppDir: b.bc.ApplicationPath, Move: !b.d.scripted(),
	}, from)
	if err != nil {
		return err
	}
	if b.commands, err = markBinaries(modules.Path, c.commands(b.d.main)); err != nil {
		return err
	}
	if len(homes) == 0 {
		return b.link(modules.Path, nil) // nothing is needed at run time
	}
	modules.Metadata["homes"] = homes
	modules.Metadata["commands"] = b.commands
	b.result.Layers = append(b.result.Layers, modules)
	return b.link(modules.Path, homes)
}

// takeOver uses the layer modules of the previous image. What is known of its content is in its metadata.
func (b *builder) takeOver(modules libcnb.Layer, key string) error {
	homes, commands := modules.Metadata["homes"], modules.Metadata["commands"]
	modules = kit.Mark(modules, libcnb.LayerTypes{Launch: true}, key)
	modules.Metadata["homes"], modules.Metadata["commands"] = homes, commands
	b.commands = map[string]string{}
	if table, ok := commands.(map[string]any); ok {
		for name, file := range table {
			b.commands[name], _ = file.(string)
		}
	}
	var dirs []string
	if list, ok := homes.([]any); ok {
		for _, dir := range list {
			if s, ok := dir.(string); ok && filepath.IsLocal(s) {
				dirs = append(dirs, s)
			}
		}
	}
	b.result.Layers = append(b.result.Layers, modules)
	return b.link(modules.Path, dirs)
}

// processes contributes the processes, and their environment in a layer of its own.
func (b *builder) processes() error {
	env := libcnb.Environment{}
	env.Default("NODE_ENV", "production")
	if s := b.d.site(); s != nil {
		layer, err := kit.Site{Root: b.d.framework.siteRoot(), IndexFallback: s.Fallback}.Layer(b.bc.Layers)
		if err != nil {
			return err
		}
		b.result.Layers = append(b.result.Layers, layer)
		if len(b.d.starts) == 0 {
			return nil
		}
	}
	for _, t := range sortedKeys(b.d.starts) {
		s := b.d.starts[t]
		process, err := b.process(t, s)
		if err != nil {
			return err
		}
		b.result.Processes = append(b.result.Processes, process)
		b.setEnv(env, t, s.Env)
	}
	if b.d.shebangs() {
		env.Prepend("PATH", ":", filepath.Join(b.bc.ApplicationPath, "node_modules", ".bin"))
	}
	layer, err := b.bc.Layers.Layer("env")
	if err != nil {
		return fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

// setEnv sets the variables of a process. A port that the app's author wrote down is what it is without another word.
func (b *builder) setEnv(env libcnb.Environment, t string, assigned []kit.Assignment) {
	port := t == kit.DefaultType
	for _, a := range assigned {
		if a.Name == "PORT" {
			env.ProcessDefault(t, a.Name, a.Value)
		} else {
			env.ProcessOverride(t, a.Name, a.Value)
		}
		port = port && a.Name != "PORT" && a.Name != kit.ExpandVariable
	}
	if port {
		env.ProcessDefault(t, "PORT", kit.DefaultPort)
	}
}

// process makes a process and verifies that what it starts is there.
func (b *builder) process(t string, s *start) (libcnb.Process, error) {
	p := libcnb.Process{Type: t, Default: t == kit.DefaultType}
	if s.Member.Dir != "." {
		p.WorkingDirectory = filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(s.Member.Dir))
	}
	switch {
	case s.Shell:
		sh, _, err := kit.Process(t, s.Text)
		p.Command = sh.Command
		return p, err
	case s.Args[0] == "node", s.Args[0] == "bun":
		p.Command = s.Args
		return p, b.verify(s)
	case strings.Contains(s.Args[0], "/"):
		p.Command = s.Args
		return p, nil
	}
	file := b.commands[s.Args[0]]
	if file == "" {
		return p, fmt.Errorf("%s: %q: no package that the app depends on has a command %s: add it to the dependencies"+
			" (devDependencies are not in the image)", s.Source, s.Text, s.Args[0])
	}
	file, binary := strings.CutPrefix(file, binaryMark)
	if binary {
		p.Command = append([]string{filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(file))}, s.Args[1:]...)
		return p, nil
	}
	rel, err := filepath.Rel(filepath.FromSlash(s.Member.Dir), filepath.FromSlash(file))
	if err != nil {
		return p, fmt.Errorf("starting %s: %w", file, err)
	}
	p.Command = append([]string{"node", rel}, s.Args[1:]...)
	return p, nil
}

// binaryMark stands before the file of a command that is no JavaScript but machine code.
const binaryMark = "exec:"

// markBinaries marks those commands below dir that node cannot run.
func markBinaries(dir string, commands map[string]string) (map[string]string, error) {
	marked := map[string]string{}
	for name, file := range commands {
		marked[name] = file
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(file)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the command %s: %w", name, err)
		}
		head := make([]byte, len(elf.ELFMAG))
		n, err := io.ReadFull(f, head)
		_ = f.Close()
		if err == nil && n == len(head) && string(head) == elf.ELFMAG {
			marked[name] = binaryMark + file
		}
	}
	return marked, nil
}

// verify looks for the file that node is to run, as node would.
func (b *builder) verify(s *start) error {
	if s.File == "" || !filepath.IsLocal(filepath.FromSlash(s.File)) || installed(s.File) {
		return nil
	}
	for _, name := range []string{s.File, s.File + ".js", s.File + ".ts", s.File + ".tsx", s.File + "/index.js", s.File + "/package.json"} {
		if b.app.Has(name) {
			return nil
		}
	}
	if _, err := b.app.Root().Lstat(filepath.FromSlash(s.File)); !errors.Is(err, fs.ErrNotExist) && err != nil {
		return fmt.Errorf("looking for %s: %w", s.File, err)
	}
	what := "there is no such file"
	if b.d.scripted() {
		what = "the build did not make that file"
	} else if strings.HasPrefix(s.File, "dist/") || strings.HasPrefix(s.File, "build/") {
		what = "there is no such file, and package.json has no script \"build\" that would make it"
	}
	return fmt.Errorf("%s: %q starts %s: %s", s.Source, s.Text, s.File, what)
}
