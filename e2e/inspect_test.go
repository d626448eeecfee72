//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"
)

// inspected is what s2i inspect --json tells, as far as tests look at it.
type inspected struct {
	Digest string `json:"digest"`
	Base   struct {
		Reference string `json:"reference"`
		TopLayer  string `json:"topLayer"`
	} `json:"base"`
	Buildpacks []struct {
		ID string `json:"id"`
	} `json:"buildpacks"`
	Processes []struct {
		Type    string   `json:"type"`
		Command []string `json:"command"`
		Args    []string `json:"args"`
	} `json:"processes"`
	Env    []string          `json:"env"`
	Labels map[string]string `json:"labels"`
	Layers []struct {
		Digest string `json:"digest"`
		DiffID string `json:"diffID"`
		Base   bool   `json:"base"`
	} `json:"layers"`
}

func inspect(t *testing.T, image string) inspected {
	t.Helper()
	var d inspected
	if err := json.Unmarshal([]byte(s2i("inspect", "--json", image).run(t)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// layers are the digests of an image's layers: of its base, or of the app.
func (d inspected) layers(base bool) []string {
	var list []string
	for _, l := range d.Layers {
		if l.Base == base {
			list = append(list, l.Digest)
		}
	}
	return list
}
