package rebase

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// mergeConfig gives the app's configuration on the new base: what equals the old base's was inherited and comes from
// the new base now, everything else is the app's own. The result is what a build on the new base would have given.
func mergeConfig(old, app, run v1.Config) v1.Config {
	out := *app.DeepCopy()
	out.Env = mergeEnv(old.Env, app.Env, run.Env)
	out.User = choose(old.User, app.User, run.User)
	out.WorkingDir = choose(old.WorkingDir, app.WorkingDir, run.WorkingDir)
	out.Shell = chooseAny(old.Shell, app.Shell, run.Shell)
	out.Healthcheck = chooseAny(old.Healthcheck, app.Healthcheck, run.Healthcheck)
	out.StopSignal = choose(old.StopSignal, app.StopSignal, run.StopSignal)
	// Setting an entrypoint unsets the command, so the command can only be inherited along with the entrypoint.
	if slices.Equal(old.Entrypoint, app.Entrypoint) {
		out.Entrypoint = slices.Clone(run.Entrypoint)
		if slices.Equal(old.Cmd, app.Cmd) {
			out.Cmd, out.ArgsEscaped = slices.Clone(run.Cmd), run.ArgsEscaped
		}
	}
	out.ExposedPorts = mergeSet(old.ExposedPorts, app.ExposedPorts, run.ExposedPorts)
	out.Volumes = mergeSet(old.Volumes, app.Volumes, run.Volumes)
	out.Labels = mergeLabels(old.Labels, app.Labels, run.Labels)
	return out
}

func choose(old, app, run string) string {
	if app == old {
		return run
	}
	return app
}

// chooseAny is choose for what == does not compare.
func chooseAny[T any](old, app, run T) T {
	if reflect.DeepEqual(old, app) {
		return run
	}
	return app
}

// mergeSet keeps what the app added, leaves out what it removed, and has the rest from the new base.
func mergeSet(old, app, run map[string]struct{}) map[string]struct{} {
	out := map[string]struct{}{}
	for k := range app {
		if _, inherited := old[k]; !inherited {
			out[k] = struct{}{}
		}
	}
	for k := range run {
		_, kept := app[k]
		if _, inherited := old[k]; kept || !inherited {
			out[k] = struct{}{}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// mergeLabels does the same for labels.
func mergeLabels(old, app, run map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range app {
		if was, inherited := old[k]; !inherited || was != v {
			out[k] = v
		}
	}
	for k, v := range run {
		_, own := out[k]
		_, inOld := old[k]
		_, inApp := app[k]
		if !own && (inApp || !inOld) {
			out[k] = v
		}
	}
	return out
}

// mergeEnv merges variable by variable. The order is that of a build on the new base: its variables first.
func mergeEnv(old, app, run []string) []string {
	oldVars, appVars, runVars := vars(old), vars(app), vars(run)
	var out []string
	done := map[string]bool{}
	add := func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		if value, ok := mergeVar(name, oldVars, appVars, runVars); ok {
			out = append(out, name+"="+value)
		}
	}
	for _, list := range [][]string{run, app} {
		for _, entry := range list {
			name, _, _ := strings.Cut(entry, "=")
			add(name)
		}
	}
	return out
}

func vars(env []string) map[string]string {
	m := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		m[name] = value
	}
	return m
}

// mergeVar decides about one variable; ok is false when there shall be none.
func mergeVar(name string, old, app, run map[string]string) (value string, ok bool) {
	oldValue, inOld := old[name]
	appValue, inApp := app[name]
	runValue, inRun := run[name]
	switch {
	case inApp && inOld && appValue == oldValue:
		return runValue, inRun
	case inApp && isList(name):
		return mergeList(oldValue, appValue, runValue), true
	case inApp:
		return appValue, true
	default:
		return runValue, inRun && !inOld // unless the app removed it
	}
}

// isList tells whether a variable is a list of paths.
func isList(name string) bool {
	switch name {
	case "PATH", "LD_LIBRARY_PATH", "MANPATH", "XDG_DATA_DIRS", "PKG_CONFIG_PATH":
		return true
	}
	return false
}

// mergeList merges a list of paths: the old base's part of it, where it stands in one piece, becomes the new base's.
// Otherwise, what the old base had and the new one lacks goes, and what only the new one has comes to the end.
func mergeList(old, app, run string) string {
	oldParts, appParts, runParts := split(old), split(app), split(run)
	if i := indexOf(appParts, oldParts); i >= 0 && len(oldParts) > 0 {
		return strings.Join(slices.Concat(appParts[:i], runParts, appParts[i+len(oldParts):]), ":")
	}
	var out []string
	for _, p := range appParts {
		if !slices.Contains(oldParts, p) || slices.Contains(runParts, p) {
			out = append(out, p)
		}
	}
	for _, p := range runParts {
		if !slices.Contains(out, p) && !slices.Contains(oldParts, p) {
			out = append(out, p)
		}
	}
	return strings.Join(out, ":")
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ":")
}

// indexOf is the place of part within list, or -1.
func indexOf(list, part []string) int {
	for i := 0; i+len(part) <= len(list); i++ {
		if slices.Equal(list[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// changes lists in words what differs between two configurations.
func changes(before, after v1.Config) []string {
	var out []string
	note := func(what, a, b string) {
		switch {
		case a == b:
		case a == "":
			out = append(out, what+" becomes "+b)
		case b == "":
			out = append(out, what+" "+a+" goes")
		default:
			out = append(out, what+" "+a+" becomes "+b)
		}
	}
	note("user", before.User, after.User)
	note("working directory", before.WorkingDir, after.WorkingDir)
	note("stop signal", before.StopSignal, after.StopSignal)
	note("entrypoint", strings.Join(before.Entrypoint, " "), strings.Join(after.Entrypoint, " "))
	note("command", strings.Join(before.Cmd, " "), strings.Join(after.Cmd, " "))
	note("ports", strings.Join(slices.Sorted(maps.Keys(before.ExposedPorts)), " "),
		strings.Join(slices.Sorted(maps.Keys(after.ExposedPorts)), " "))
	note("volumes", strings.Join(slices.Sorted(maps.Keys(before.Volumes)), " "),
		strings.Join(slices.Sorted(maps.Keys(after.Volumes)), " "))
	a, b := vars(before.Env), vars(after.Env)
	for _, name := range union(a, b) {
		note("environment variable "+name, a[name], b[name])
	}
	for _, name := range union(before.Labels, after.Labels) {
		if before.Labels[name] != after.Labels[name] {
			out = append(out, "label "+name+" changes")
		}
	}
	return out
}

func union(a, b map[string]string) []string {
	all := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(all)
	return slices.Compact(all)
}
