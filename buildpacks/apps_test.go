package buildpacks_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks"
)

// want is the part of want.json that needs no build; see testdata/apps/README.md.
type want struct {
	Env      map[string]string
	Group    []string
	Requires []map[string]any
}

// TestApps detects every sample app in-process and compares the group and the requirements with its want.json.
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
			group, requires := detectAll(t, dir, platform(t, w.Env))
			if diff := cmp.Diff(w.Group, group); diff != "" {
				t.Errorf("group (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(w.Requires, requires); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}

// detectAll runs every built-in buildpack's detection on an app.
func detectAll(t *testing.T, app, platform string) (group []string, requires []map[string]any) {
	t.Helper()
	for _, b := range buildpacks.All() {
		var out bytes.Buffer
		result, err := buildpacks.Detect(t.Context(), b.ID, app, platform, &out)
		if err != nil {
			t.Fatalf("detecting with %s: %v", b.ID, err)
		}
		t.Logf("%s: %s", b.ID, out.String())
		if !result.Pass {
			continue
		}
		group = append(group, b.ID)
		for _, r := range buildpacks.Plan(result).Requires {
			entry := map[string]any{"name": r.Name}
			for k, v := range r.Metadata {
				entry[k] = v
			}
			requires = append(requires, entry)
		}
	}
	return group, requires
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
