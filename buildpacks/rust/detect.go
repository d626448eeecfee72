package rust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

const id = "s2i/rust"

// Detect matches a directory with a Cargo.toml and at least one program.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	if !app.Has(cargoToml) {
		return kit.Fail(ctx, "%s", noManifest(app))
	}
	d, err := decide(app, env)
	if errors.Is(err, errLibrary) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return libcnb.DetectResult{}, fmt.Errorf("%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	needs, facts := d.needs(usesGit(ctx.Platform.Bindings))
	record := d.record(facts)
	for _, b := range d.bins {
		kit.Say(ctx.Logger, "process %s: %s (%s)", b.Type, b.Name, b.Source)
	}
	kit.Say(ctx.Logger, "%s", record.Summary)
	return kit.Match{ID: id, Record: record, Needs: append(needs, extra...), Wants: kit.Frontend(app)}.Pass()
}

func noManifest(app *kit.App) string {
	reason := "no " + cargoToml + " in the app"
	if dirs := nearby(app); len(dirs) > 0 {
		return reason + "; there is one in " + strings.Join(dirs, ", ") + ": build that directory, or add a workspace"
	}
	return reason
}

// needs gives what the app requires of the stack, and facts about it.
func (d *decision) needs(git bool) ([]kit.Need, []kit.Fact) {
	var needs []kit.Need
	for _, v := range d.versions {
		needs = append(needs, kit.Need{Name: "rust", Version: v, Build: true})
	}
	if len(needs) == 0 {
		needs = append(needs, kit.Need{Name: "rust", Build: true})
	}
	more, facts := nativeNeeds(d.project, d.lock)
	more = append(more, d.config.linkers()...)
	more = append(more, targetPackages(d.toolchain)...)
	if git {
		more = append(more, kit.Need{Name: "git", Build: true})
	}
	for _, n := range more {
		if !slices.ContainsFunc(needs, func(have kit.Need) bool { return have.Name == n.Name }) {
			needs = append(needs, n)
		}
	}
	return append(needs, kit.Need{Name: "libc", Launch: true}), facts
}

// usesGit tells whether git fetches the crates that come from repositories: it knows more ways to log in than cargo.
func usesGit(bindings libcnb.Bindings) bool {
	return slices.ContainsFunc(bindings, func(b libcnb.Binding) bool {
		return b.Type == bindingGit || b.Type == bindingNetrc
	})
}

// record says what was decided and why.
func (d *decision) record(native []kit.Fact) kit.Record {
	r := kit.Record{Hosts: append(d.config.hosts(), gitHosts(d.project, d.lock)...)}
	r.Facts = append(r.Facts, d.packageFact())
	if d.lock != nil {
		r.Facts = append(r.Facts, kit.Fact{Topic: "lock", Source: cargoLock,
			Text: fmt.Sprintf("cargo build --locked: %d packages", len(d.lock.Packages))})
	} else {
		r.Warnings = append(r.Warnings, "there is no Cargo.lock, so every build may take other versions of the crates: "+
			"commit the file that cargo writes, or use --write-lock")
	}
	for _, dir := range d.config.vendored() {
		r.Facts = append(r.Facts, kit.Fact{Topic: "packages", Text: "crates are vendored in " + dir, Source: d.config.File})
	}
	if t := d.config.foreignTarget(); t != "" {
		r.Facts = append(r.Facts, kit.Fact{Topic: "build", Source: at(d.config.File, d.config.data, "build", "target"),
			Text: "build.target " + t + " is not used: the target is the image's"})
	}
	if framework, source := d.bins[0].Crate.server(); framework != "" {
		r.Facts = append(r.Facts, kit.Fact{Topic: "framework", Text: framework, Source: source})
		facts, warnings := d.listening()
		r.Facts, r.Warnings = append(r.Facts, facts...), append(r.Warnings, warnings...)
	}
	r.Facts = append(r.Facts, native...)
	r.Starts = d.starts()
	r.Summary = d.summary()
	return r
}

func (d *decision) packageFact() kit.Fact {
	if d.project.root.Workspace == nil {
		return kit.Fact{Topic: "packages", Text: "package " + d.project.root.Package.Name,
			Source: at(cargoToml, d.project.root.Data, "package", "name")}
	}
	return kit.Fact{Topic: "packages", Source: at(cargoToml, d.project.root.Data, "workspace", "members"),
		Text: fmt.Sprintf("workspace of %d packages", len(d.project.members))}
}

func (d *decision) starts() []kit.Start {
	var list []kit.Start
	for _, b := range d.bins {
		list = append(list, kit.Start{Type: b.Type, Command: b.Name, Score: b.Score,
			Evidence: append([]string{b.Source}, b.Evidence...), Chosen: true})
	}
	for _, b := range d.all {
		if !slices.Contains(d.bins, b) {
			rejected := b.Rejected
			if rejected == "" {
				rejected = "it is not in " + envBins
			}
			list = append(list, kit.Start{Type: b.Name, Command: b.Name, Evidence: []string{b.Source}, Rejected: rejected})
		}
	}
	return list
}

// summary is the decision in one line.
func (d *decision) summary() string {
	head := "Rust, any version"
	if len(d.versions) > 0 {
		var all []string
		for _, v := range d.versions {
			text := v.String()
			if v.Kind == kit.Minimum {
				text = ">=" + text
			}
			all = append(all, text)
		}
		head = "Rust " + strings.Join(all, ", ")
	}
	for _, b := range d.bins {
		if b.Default {
			return head + "; " + b.Type + " starts " + b.Name + " (" + b.Source + ")"
		}
	}
	return head + "; no default process but the Procfile's"
}
