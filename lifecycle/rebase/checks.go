package rebase

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// The labels of older platforms that name a stack.
const (
	labelStackMixins = "io.buildpacks.stack.mixins"
	envPlatformAPI   = "CNB_PLATFORM_API"
)

// check collects the reasons against the rebase.
func (r *rebase) check() {
	r.checkTarget()
	r.checkDistro()
	if r.appLabel(lifecycle.LabelRebasable) == "false" {
		r.problem("rebasable", "the image says of itself that it is not rebasable (label %s): it was built with "+
			"extensions that changed its base", lifecycle.LabelRebasable)
	}
	if r.beforeTargets() {
		r.checkStack()
	}
	r.checkName()
	r.checkCompatibility()
}

func (r *rebase) problem(check, format string, args ...any) {
	r.report.Problems = append(r.report.Problems, Problem{check, fmt.Sprintf(format, args...)})
}

func (r *rebase) unchecked(format string, args ...any) {
	r.report.Unchecked = append(r.report.Unchecked, fmt.Sprintf(format, args...))
}

func (r *rebase) appLabel(name string) string { return r.app.config.Config.Labels[name] }
func (r *rebase) runLabel(name string) string { return r.run.config.Config.Labels[name] }

func (r *rebase) checkTarget() {
	app, run := r.app.config, r.run.config
	if app.OS != run.OS || app.Architecture != run.Architecture {
		r.problem("target", "the image is for %s/%s, the new base for %s/%s",
			app.OS, app.Architecture, run.OS, run.Architecture)
	}
	if app.Variant != "" && run.Variant != "" && app.Variant != run.Variant {
		r.problem("target", "the image is for the processor variant %s, the new base for %s", app.Variant, run.Variant)
	}
}

// checkDistro compares the distribution that the app inherited with that of the new base, if that states one.
func (r *rebase) checkDistro() {
	for _, label := range []string{lifecycle.LabelDistroName, lifecycle.LabelDistroVersion} {
		app, run := r.appLabel(label), r.runLabel(label)
		if app != run && run != "" && app != "" {
			r.problem("distro", "the image was built on %s %s, the new base is %s %s",
				r.appLabel(lifecycle.LabelDistroName), r.appLabel(lifecycle.LabelDistroVersion),
				r.runLabel(lifecycle.LabelDistroName), r.runLabel(lifecycle.LabelDistroVersion))
			return
		}
	}
}

// beforeTargets tells whether a platform older than API 0.12 built the image: those compared stacks, not targets.
func (r *rebase) beforeTargets() bool {
	if r.meta == nil || r.appLabel(lifecycle.LabelStackID) == "" {
		return false
	}
	api := vars(r.app.config.Config.Env)[envPlatformAPI]
	major, minor, _ := strings.Cut(api, ".")
	n, err := strconv.Atoi(minor)
	return api == "" || major == "0" && err == nil && n < 12
}

func (r *rebase) checkStack() {
	app, run := r.appLabel(lifecycle.LabelStackID), r.runLabel(lifecycle.LabelStackID)
	if app != run {
		r.problem("stack", "the image was built for the stack %s, the new base is of the stack %q", app, run)
	}
	var missing []string
	has := mixins(r.runLabel(labelStackMixins))
	for _, m := range mixins(r.appLabel(labelStackMixins)) {
		if !slices.Contains(has, m) {
			missing = append(missing, m)
		}
	}
	if len(missing) > 0 {
		r.problem("stack", "the new base lacks the mixins %s", strings.Join(missing, ", "))
	}
}

func mixins(label string) []string {
	var list []string
	_ = json.Unmarshal([]byte(label), &list) // no list, no mixins
	return list
}

// checkName makes sure that the new base is published under a name that the app recorded. Names that are no registry's
// (of a base composed here, for example) and other tags of a recorded repository pass.
func (r *rebase) checkName() {
	names := r.recordedNames()
	if r.o.RunImage == "" || len(names) == 0 {
		return
	}
	if ref, err := image.Parse(r.o.RunImage); err != nil || ref.Kind != image.Registry {
		return
	}
	repo := repository(r.o.RunImage)
	for _, n := range names {
		full, ok := r.repositoryName(n)
		if !ok || repository(full) == repo {
			return
		}
	}
	r.problem("run image", "the new base is called %s, but the image was built on %s",
		r.o.RunImage, strings.Join(names, ", "))
}

func (r *rebase) recordedNames() []string {
	if r.meta == nil {
		return nil
	}
	m := r.meta.RunImage
	if m.Image == "" && r.meta.Stack != nil {
		m.Image, m.Mirrors = r.meta.Stack.RunImage.Image, r.meta.Stack.RunImage.Mirrors
	}
	if m.Image == "" {
		return nil
	}
	return append([]string{m.Image}, m.Mirrors...)
}

// repositoryName gives the full form of a recorded name; ok is false for a name that is no registry's. Other platforms
// leave out the host of the default registry; what we record without a host is local.
func (r *rebase) repositoryName(s string) (full string, ok bool) {
	if ref, err := image.Parse(s); err == nil && ref.Kind == image.Registry {
		return s, true
	}
	if _, ours := r.app.config.Config.Labels[lifecycle.LabelBaseConfig]; ours {
		return "", false
	}
	ref, err := name.ParseReference(s, name.WeakValidation)
	if err != nil {
		return "", false
	}
	return ref.Name(), true
}

// repository gives the repository of an image name.
func repository(s string) string {
	ref, err := name.ParseReference(s, name.WeakValidation)
	if err != nil {
		return s
	}
	return ref.Context().String()
}

// checkCompatibility compares what the old base offered, and what the app was seen to need, with what the new base
// offers.
func (r *rebase) checkCompatibility() {
	run, runSays := r.compatibility(r.runLabel(lifecycle.LabelCompatibility), "the new base")
	app, appSays := r.compatibility(r.appLabel(lifecycle.LabelCompatibility), "the image")
	if appSays && !runSays {
		r.unchecked("compatibility keys: the new base has no label %s", lifecycle.LabelCompatibility)
	}
	if appSays && runSays {
		for _, key := range slices.Sorted(maps.Keys(app.Keys)) {
			r.checkKey(key, app.Keys[key], run.Keys[key])
		}
	}
	value := r.appLabel(lifecycle.LabelNeeds)
	if value == "" {
		return
	}
	var needs lifecycle.Needs
	if err := json.Unmarshal([]byte(value), &needs); err != nil {
		r.problem("libraries", "the label %s of the image cannot be read: %v", lifecycle.LabelNeeds, err)
		return
	}
	if run.Libraries == nil {
		r.checkNeedsByKey(needs, run, runSays)
		return
	}
	r.checkNeeds(needs, run.Libraries, app.Libraries)
}

func (r *rebase) compatibility(value, whose string) (c lifecycle.Compatibility, ok bool) {
	if value == "" {
		return c, false
	}
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		r.problem("compatibility", "the label %s of %s cannot be read: %v", lifecycle.LabelCompatibility, whose, err)
		return c, false
	}
	return c, true
}

func (r *rebase) checkKey(key, old, now string) {
	switch {
	case now == "":
		r.problem("compatibility", "the new base has no %s, the old one has %s", key, old)
	case key == lifecycle.CompatGlibc:
		if compareVersions(now, old) < 0 {
			r.problem("compatibility", "the new base has %s %s, older than the %s that the image was built on",
				key, now, old)
		}
	case now != old:
		r.problem("compatibility", "the new base has %s %s, the image was built on %s", key, now, old)
	}
}

// checkNeeds looks for every library and symbol version that the app needs. What the old base did not have either
// cannot be missed.
func (r *rebase) checkNeeds(needs lifecycle.Needs, run, old map[string][]string) {
	for _, soname := range slices.Sorted(maps.Keys(needs.Libraries)) {
		had, inOld := old[soname]
		has, ok := run[soname]
		if !ok {
			if inOld || old == nil {
				r.problem("libraries", "the app needs the library %s, which the new base does not have", soname)
			}
			continue
		}
		var missing []string
		for _, version := range needs.Libraries[soname] {
			if !slices.Contains(has, version) && (old == nil || slices.Contains(had, version)) {
				missing = append(missing, version)
			}
		}
		if len(missing) > 0 {
			r.problem("libraries", "the app needs %s of the library %s, which the new base's does not have",
				strings.Join(missing, ", "), soname)
		}
	}
	for _, interpreter := range needs.Interpreters {
		soname := path.Base(interpreter)
		_, has := run[soname]
		if _, had := old[soname]; !has && (had || old == nil) {
			r.problem("libraries", "the app needs the dynamic linker %s, which the new base does not have", interpreter)
		}
	}
}

// checkNeedsByKey checks needs as well as it goes when the new base does not list its libraries: by the version of its
// glibc, and by keys that name a library and the number of its soname ("libssl": "3" is libssl.so.3).
func (r *rebase) checkNeedsByKey(needs lifecycle.Needs, run lifecycle.Compatibility, says bool) {
	glibc := run.Keys[lifecycle.CompatGlibc]
	var open []string
	for _, soname := range slices.Sorted(maps.Keys(needs.Libraries)) {
		stem, number, _ := strings.Cut(soname, ".so.")
		newest := newestGlibc(needs.Libraries[soname])
		switch {
		case newest != "" && glibc != "" && compareVersions(glibc, newest) < 0:
			r.problem("libraries", "the app needs GLIBC_%s of the library %s, the new base has glibc %s",
				newest, soname, glibc)
		case newest != "" && glibc == "" && says:
			r.problem("libraries", "the app needs the library %s of glibc, which the new base does not have", soname)
		case newest != "" && glibc != "" || run.Keys[stem] == number && number != "":
		default:
			open = append(open, soname)
		}
	}
	if len(needs.Interpreters) > 0 && glibc == "" && says {
		r.problem("libraries", "the app needs the dynamic linker %s, and the new base has no glibc",
			strings.Join(needs.Interpreters, ", "))
	}
	if len(open) > 0 {
		r.unchecked("libraries: the new base does not say whether it has %s", strings.Join(open, ", "))
	}
}

// newestGlibc is the newest of the GLIBC symbol versions in a list; "" when there is none.
func newestGlibc(versions []string) string {
	newest := ""
	for _, v := range versions {
		number, ok := strings.CutPrefix(v, "GLIBC_")
		if ok && number != "PRIVATE" && (newest == "" || compareVersions(number, newest) > 0) {
			newest = number
		}
	}
	return newest
}

// compareVersions compares dotted versions number by number, what is no number as text.
func compareVersions(a, b string) int {
	x, y := strings.FieldsFunc(a, separator), strings.FieldsFunc(b, separator)
	for i := range max(len(x), len(y)) {
		var p, q string
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		m, errM := strconv.Atoi(p)
		n, errN := strconv.Atoi(q)
		if errM != nil || errN != nil {
			if c := strings.Compare(p, q); c != 0 {
				return c
			}
			continue
		}
		if m != n {
			return m - n
		}
	}
	return 0
}

func separator(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' }
