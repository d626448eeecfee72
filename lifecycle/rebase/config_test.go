package rebase

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// with sets a member of an image's configuration, also such as v1.ConfigFile does not know.
func with(t *testing.T, img v1.Image, value any, path ...string) v1.Image {
	t.Helper()
	raw, err := img.RawConfigFile()
	if err == nil {
		raw, err = image.SetJSON(raw, value, path...)
	}
	if err == nil {
		img, err = image.WithConfig(img, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestWholeConfig rebases an image whose configuration has everything, known to v1.ConfigFile or not.
func TestWholeConfig(t *testing.T) {
	check := map[string]any{"Test": []any{"CMD", "old"}, "Interval": 1e9, "StartInterval": 5e9}
	own := map[string]any{"Test": []any{"CMD", "own"}, "StartInterval": 7e9, "Later": "x"}
	next := map[string]any{"Test": []any{"CMD", "new"}, "StartInterval": 6e9}
	for _, c := range []struct {
		name      string
		old, app  map[string]any
		run, want map[string]any
	}{
		{"inherited", check, check, next, next},
		{"inherited, and the new base has none", check, check, nil, nil},
		{"only its start interval is the app's", check, map[string]any{"Test": []any{"CMD", "old"}, "Interval": 1e9, "StartInterval": 9e9},
			next, map[string]any{"Test": []any{"CMD", "old"}, "Interval": 1e9, "StartInterval": 9e9}},
		{"the app's own", check, own, next, own},
		{"only the app has one", nil, own, nil, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := with(t, newBase(t, 2, nil), c.old, "config", "Healthcheck")
			app := build(t, old, func(f *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				f.Created = v1.Time{Time: time.Unix(1e9, 0).UTC()}
				f.Author = "me"
				f.Config.OnBuild, f.Config.Shell = []string{"RUN x"}, []string{"/bin/bash", "-c"}
				f.Config.StopSignal, f.Config.ArgsEscaped = "SIGINT", true
				text, err := image.ConfigObject(old)
				if err != nil {
					t.Fatal(err)
				}
				f.Config.Labels[lifecycle.LabelBaseConfig] = string(text)
			})
			app = with(t, app, c.app, "config", "Healthcheck")
			app = with(t, app, 30, "config", "StopTimeout")
			app = with(t, app, map[string]any{"tool": []any{1.0, "x"}}, "com.example.tool")
			run := with(t, newBase(t, 3, func(f *v1.ConfigFile) { f.Config.StopSignal = "SIGQUIT" }), c.run, "config", "Healthcheck")

			want := object(t, app)
			rebased, _, err := Image(t.Context(), app, run, Options{RunImage: "example.com/run:1"})
			if err != nil {
				t.Fatal(err)
			}
			got := object(t, rebased)
			config, wantConfig := got["config"].(map[string]any), want["config"].(map[string]any)
			if got, want := toJSON(t, config["Healthcheck"]), toJSON(t, c.want); got != want {
				t.Errorf("the health check is %s, want %s", got, want)
			}
			for _, key := range []string{"Healthcheck", "Labels"} {
				delete(config, key)
				delete(wantConfig, key)
			}
			for _, key := range []string{"rootfs", "history"} {
				delete(got, key)
				delete(want, key)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func object(t *testing.T, img v1.Image) (out map[string]any) {
	t.Helper()
	raw, err := img.RawConfigFile()
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
