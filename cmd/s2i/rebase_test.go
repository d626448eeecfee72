package main

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
)

// TestOnComposed tells which bases are composed anew by a rebase.
func TestOnComposed(t *testing.T) {
	for name, c := range map[string]struct {
		meta, base string
		want       bool
	}{
		"composed":                      {`{"runImage":{"reference":"localhost/s2i/trixie-base@sha256:1"}}`, `{}`, true},
		"a published one":               {`{"runImage":{"reference":"example.com/run@sha256:1","image":"example.com/run:1"}}`, `{}`, false},
		"a Dockerfile's FROM":           {`{"runImage":{"reference":"example.com/run@sha256:1"}}`, `{}`, false},
		"a Dockerfile's local FROM":     {`{"runImage":{"reference":"sha256:1"}}`, `{}`, true},
		"a Dockerfile on a Dockerfile":  {`{"runImage":{"reference":"sha256:1"}}`, `{"Labels":{"io.buildpacks.lifecycle.metadata":"{}"}}`, false},
		"an image that says nothing":    {``, ``, true},
		"labels that cannot be decoded": {`{`, `{`, true},
	} {
		config := &v1.ConfigFile{Config: v1.Config{Labels: map[string]string{
			lifecycle.LabelLayersMetadata: c.meta, lifecycle.LabelBaseConfig: c.base}}}
		if got := onComposed(config); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
