package node

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"s2i/buildpacks/kit"
)

// installScripts are the scripts of the app's own packages that package managers run after they have installed, in
// this order. (preinstall is left out: it guards developers' machines.)
func installScripts() []string { return []string{"install", "postinstall", "prepare"} }

// task is a script of one of the app's packages that the build runs.
type task struct {
	Member *member
	Script string
	// Text is the command line when the script is not one of package.json.
	Text string
}

// text is the command line.
func (t task) text() string {
	if t.Text != "" {
		return t.Text
	}
	return t.Member.Scripts[t.Script]
}

// at is where the command line stands.
func (t task) at() string {
	if t.Text != "" {
		return t.Member.file()
	}
	return t.Member.at("scripts", t.Script)
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
				list = append(list, task{Member: m, Script: name})
			}
		}
	}
	list = append(list, d.builds(members)...)
	for _, t := range sortedKeys(d.starts) {
		if s := d.starts[t]; s.Before != "" {
			list = append(list, task{Member: s.Member, Script: s.Before})
		}
	}
	return list
}

// builds gives the tasks that build: the root's script, or those of the members, or what the framework says.
func (d *decision) builds(members []*member) []task {
	if d.project.root.Scripts["build"] != "" {
		return []task{{Member: d.project.root, Script: "build", Text: d.narrowed()}}
	}
	var list []task
	for _, m := range members {
		if m.Scripts["build"] != "" {
			list = append(list, task{Member: m, Script: "build"})
		}
	}
	if f := d.framework; f != nil && f.Command != "" && d.main.Scripts["build"] == "" && (len(f.Args) > 0 || f.Site != nil) {
		list = append(list, task{Member: d.main, Script: "build", Text: f.Command})
	}
	return list
}

// narrowed gives the root's build script for one package and what it needs, when a tool builds the workspaces; "" when
// the script is to run as it is.
func (d *decision) narrowed() string {
	text := d.project.root.Scripts["build"]
	words := strings.Fields(text)
	if len(words) < 2 || strings.ContainsAny(text, "&|;<>$") {
		return ""
	}
	name := string(d.main.Name)
	switch one := d.main != d.project.root && name != "" && !strings.ContainsAny(name, " '\"") &&
		!strings.Contains(text, "--filter") && !strings.Contains(text, "--projects"); {
	case words[0] == "turbo" && one:
		// In its strict mode turbo would hide from the build what it does not know of.
		return text + " --env-mode=loose --filter='" + name + "'"
	case words[0] == "turbo":
		return text + " --env-mode=loose"
	case words[0] == "nx" && words[1] == "run-many" && one:
		return text + " --projects='" + name + "'"
	}
	return ""
}

// scripted tells whether any script runs: then development dependencies are installed too.
func (d *decision) scripted() bool { return len(d.tasks()) > 0 }

// runTasks runs the scripts in dir, where the app's sources and packages are, with those before and after them
// (prebuild, postbuild).
func (b *builder) runTasks(ctx context.Context, dir string) error {
	env := b.env.With(kit.Env{"NODE_ENV": b.env.Or("NODE_ENV", "production")})
	if f := b.d.framework; f != nil {
		env = env.With(f.BuildEnv)
	}
	for _, t := range b.d.tasks() {
		for _, name := range []string{"pre" + t.Script, t.Script, "post" + t.Script} {
			one := task{Member: t.Member, Script: name}
			if name == t.Script {
				one.Text = t.Text
			}
			if one.text() == "" {
				continue
			}
			if err := b.runScript(ctx, dir, env, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// runScript runs one script as the package managers do: by sh, in the package's directory, with the commands of its
// packages in PATH. None of the managers is asked to, since each first looks for what it has installed itself.
func (b *builder) runScript(ctx context.Context, root string, env kit.Env, t task) error {
	dir := filepath.Join(root, filepath.FromSlash(t.Member.Dir))
	text, at := t.text(), t.at()
	kit.Say(b.bc.Logger, "%s: %s (%s)", t.Script, text, at)
	return kit.Command{
		Args: []string{"sh", "-c", text}, Dir: dir, Out: kit.Out(b.bc.Logger), Advice: b.d.advice(),
		Why: "it is the script at " + at,
		Env: env.With(kit.Env{
			"PATH":                 binPath(root, t.Member.Dir, env["PATH"]),
			"PWD":                  dir,
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

// binPath puts the directories of packages' commands, from the member's up to the root's, before path.
func binPath(root, dir, path string) string {
	var dirs []string
	for {
		dirs = append(dirs, filepath.Join(root, filepath.FromSlash(dir), "node_modules", ".bin"))
		if dir == "." {
			break
		}
		dir = filepath.ToSlash(filepath.Dir(dir))
	}
	return strings.Join(append(dirs, path), ":")
}

// advice names the hosts that the app is known to ask.
func (d *decision) advice() []kit.Advice {
	var list []kit.Advice
	for _, h := range d.hosts() {
		say := fmt.Sprintf("%s (%s): %s is no package registry; bring along what it gives with the app, or allow it",
			h.Why, h.Source, h.Name)
		list = append(list, kit.Advice{Sign: h.Name, Say: say})
		if h.Name == "fonts.googleapis.com" {
			list = append(list, kit.Advice{Sign: "from Google Fonts", Say: say}, kit.Advice{Sign: "next/font", Say: say})
		}
	}
	return append(list, scriptAdvice()...)
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
