package node

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// installScripts are the scripts of the app's own packages that package managers run after they have installed, in
// this order. (preinstall is left out: it guards developers' machines.)
func installScripts() []string { return []string{"install", "postinstall", "prepare"} }

// task is a script of one of the app's packages that the build runs.
type task struct {
	Member *member
	Script string
}

// tasks gives the scripts to run, in order: those of installation, then build, then what comes before the start. The
// root's build script is taken to build the whole workspace; without one, the packages are built in the order in which
// they need each other.
func (d *decision) tasks() []task {
	var list []task
	members := d.project.dependencies(d.main, true)
	if d.main != d.project.root {
		members = append([]*member{d.project.root}, members...)
	}
	for _, m := range members {
		for _, name := range installScripts() {
			if m.Scripts[name] != "" {
				list = append(list, task{m, name})
			}
		}
	}
	if d.project.root.Scripts["build"] != "" {
		list = append(list, task{d.project.root, "build"})
	} else {
		for _, m := range members {
			if m.Scripts["build"] != "" {
				list = append(list, task{m, "build"})
			}
		}
	}
	for _, t := range sortedKeys(d.starts) {
		if s := d.starts[t]; s.Before != "" {
			list = append(list, task{s.Member, s.Before})
		}
	}
	return list
}

// scripted tells whether any script runs: then development dependencies are installed too.
func (d *decision) scripted() bool { return len(d.tasks()) > 0 }

// runTasks runs the scripts, with those before and after them (prebuild, postbuild).
func (d *decision) runTasks(ctx context.Context, bc libcnb.BuildContext, env kit.Env) error {
	env = env.With(kit.Env{"NODE_ENV": env.Or("NODE_ENV", "production")})
	for _, t := range d.tasks() {
		for _, name := range []string{"pre" + t.Script, t.Script, "post" + t.Script} {
			if t.Member.Scripts[name] == "" {
				continue
			}
			if err := d.runScript(ctx, bc, env, task{t.Member, name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// runScript runs one script as the package managers do: by sh, in the package's directory, with the commands of its
// packages in PATH. None of the managers is asked to, since each first looks for what it has installed itself.
func (d *decision) runScript(ctx context.Context, bc libcnb.BuildContext, env kit.Env, t task) error {
	dir := filepath.Join(bc.ApplicationPath, filepath.FromSlash(t.Member.Dir))
	text, at := t.Member.Scripts[t.Script], t.Member.at("scripts", t.Script)
	kit.Say(bc.Logger, "%s: %s (%s)", t.Script, text, at)
	return kit.Command{
		Args: []string{"sh", "-c", text}, Dir: dir, Out: kit.Out(bc.Logger), Advice: scriptAdvice(),
		Why: "it is the script at " + at,
		Env: env.With(kit.Env{
			"PATH":                 binPath(bc.ApplicationPath, t.Member.Dir, env["PATH"]),
			"INIT_CWD":             dir,
			"npm_command":          "run-script",
			"npm_lifecycle_event":  t.Script,
			"npm_lifecycle_script": text,
			"npm_package_json":     filepath.Join(dir, "package.json"),
			"npm_package_name":     string(t.Member.Name),
			"npm_package_version":  string(t.Member.Version),
		}),
	}.Run(ctx)
}

// binPath puts the directories of packages' commands, from the member's up to the app's, before path.
func binPath(appDir, dir, path string) string {
	var dirs []string
	for {
		dirs = append(dirs, filepath.Join(appDir, filepath.FromSlash(dir), "node_modules", ".bin"))
		if dir == "." {
			break
		}
		dir = filepath.ToSlash(filepath.Dir(dir))
	}
	return strings.Join(append(dirs, path), ":")
}

func scriptAdvice() []kit.Advice {
	return []kit.Advice{
		{Sign: "JavaScript heap out of memory", Say: "set NODE_OPTIONS=--max-old-space-size=4096 for the build"},
		{Sign: "fonts.googleapis.com", Say: "the build loads fonts from a host that is no package registry: " +
			"bring them along with the app"},
		{Sign: "ENOTFOUND", Say: "the build asks a host that cannot be reached"},
		{Sign: "EAI_AGAIN", Say: "the build asks a host that cannot be reached"},
	}
}
