package buildpacks_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	gocmp "github.com/google/go-cmp/cmp"

	"s2i"
	"s2i/buildpacks"
	"s2i/detect"
	"s2i/lifecycle"
)

// want is the part of want.json that needs no build; see testdata/apps/README.md.
type want struct {
	Env      map[string]string
	Group    []string
	Requires []map[string]any
}

// TestApps detects every sample app in-process and compares the group, and what it requires of the stack, with its
// want.json.
func TestApps(t *testing.T) {
	apps, err := filepath.Glob("../testdata/apps/*/want.json")
	if err != nil || len(apps) == 0 {
		t.Fatalf("finding the sample apps: %v, %d found", err, len(apps))
	}
	for _, file := range apps {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var w want
			if err := json.Unmarshal(data, &w); err != nil {
				t.Fatalf("parsing %s: %v", file, err)
			}
			slices.SortStableFunc(w.Requires, func(a, b map[string]any) int {
				return cmp.Compare(fmt.Sprint(a["name"]), fmt.Sprint(b["name"]))
			})
			group, requires := detectAll(t, dir, platform(t, w.Env))
			if diff := gocmp.Diff(w.Group, group); diff != "" {
				t.Errorf("group (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(w.Requires, requires); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}

// detectAll detects an app with the built-in builder's order, and gives the group and what it leaves to the stack.
func detectAll(t *testing.T, app, platform string) (group []string, requires []map[string]any) {
	t.Helper()
	result, err := detect.Run(t.Context(), detect.Options{
		Order: order(t), Buildpacks: descriptors(t), Target: lifecycle.Target{OS: "linux", Arch: "amd64"},
		Provided: detect.ForImage,
		Detect: func(ctx context.Context, bp lifecycle.Buildpack) detect.Outcome {
			var out bytes.Buffer
			o := detect.Outcome{Element: bp.Element(), Status: detect.Failed}
			found, err := buildpacks.Detect(ctx, bp.Info.ID, app, platform, &out)
			switch {
			case err != nil:
				o.Status, o.Err = detect.Refused, err
			case found.Pass:
				o.Status, o.Plan = detect.Passed, buildpacks.Plan(found)
			}
			o.Output = out.Bytes()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			o.Reason = lines[len(lines)-1]
			return o
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkRecords(t, app, result)
	for _, e := range result.Group.Group {
		group = append(group, e.ID)
	}
	for _, entry := range result.Plan.Entries {
		if !slices.ContainsFunc(entry.Providers, func(e lifecycle.GroupElement) bool { return e.ID == detect.StackID }) {
			continue
		}
		for _, r := range entry.Requires {
			one := map[string]any{"name": r.Name}
			maps.Copy(one, r.Metadata)
			requires = append(requires, one)
		}
	}
	return group, requires
}

// checkRecords holds the group to what it says about its decision: there is a summary and something to start, and what
// is said to stand in a line of a file does stand in a file that long.
func checkRecords(t *testing.T, app string, result *detect.Result) {
	t.Helper()
	started := false
	for _, e := range result.Group.Group {
		i := slices.IndexFunc(result.Outcomes, func(o detect.Outcome) bool { return o.Element.ID == e.ID })
		requires := result.Outcomes[i].Plan.Requires
		record, err := lifecycle.RecordOf(e.ID, requires)
		if err != nil || record.Summary == "" {
			t.Errorf("%s says %+v, %v", e.ID, record, err)
		}
		var sources []string
		for _, f := range record.Facts {
			sources = append(sources, f.Source)
		}
		for _, s := range record.Starts {
			started = started || s.Chosen
			if s.Chosen && len(s.Evidence) == 0 {
				t.Errorf("%s starts %s without evidence", e.ID, s.Command)
			}
			sources = append(sources, s.Evidence...)
		}
		for _, r := range requires {
			source, _ := r.Metadata["version-source"].(string)
			sources = append(sources, source)
		}
		for _, source := range sources {
			if !stands(app, source) {
				t.Errorf("%s refers to %s, where nothing is", e.ID, source)
			}
		}
	}
	if !started {
		t.Error("nobody says what is started")
	}
}

// stands tells whether there is such a line, for a source that ends in file:line; other sources may be anything.
func stands(app, source string) bool {
	source = source[strings.LastIndexByte(source, ' ')+1:]
	file, number, ok := strings.Cut(source, ":")
	line, err := strconv.Atoi(number)
	if !ok || err != nil {
		return true
	}
	text, err := os.ReadFile(filepath.Join(app, filepath.FromSlash(file)))
	return err == nil && line >= 1 && line <= bytes.Count(text, []byte("\n"))+1
}

func order(t *testing.T) lifecycle.Order {
	t.Helper()
	var b struct{ Order lifecycle.Order }
	if err := toml.Unmarshal(s2i.BuilderTOML, &b); err != nil {
		t.Fatal(err)
	}
	return b.Order
}

func descriptors(t *testing.T) (all []lifecycle.Buildpack) {
	t.Helper()
	for _, b := range buildpacks.All() {
		d, err := lifecycle.ParseBuildpack(b.Descriptor)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// platform writes a platform directory with these variables.
func platform(t *testing.T, env map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "env"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		if err := os.WriteFile(filepath.Join(dir, "env", name), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
