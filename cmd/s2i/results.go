package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
)

// metadata is what --metadata-file holds.
type metadata struct {
	Digest  string                   `json:"digest"`
	ImageID string                   `json:"imageID"`
	Refs    []string                 `json:"refs"`
	Known   bool                     `json:"known"`
	Seconds float64                  `json:"seconds"`
	Group   []lifecycle.GroupElement `json:"group,omitempty"`
}

// writeResults writes the files that flags ask for.
func writeResults(c *cli.Context, r *create.Result, took time.Duration) error {
	id, err := r.Image.ConfigName()
	if err != nil {
		return err
	}
	refs := map[string]bool{}
	for _, p := range r.Published {
		refs[p.Ref.String()] = true
	}
	m, err := json.MarshalIndent(metadata{
		Digest: r.Digest.String(), ImageID: id.String(), Refs: slices.Sorted(maps.Keys(refs)), Known: r.Known,
		Seconds: took.Seconds(), Group: r.Group,
	}, "", "  ")
	if err != nil {
		return err
	}
	for flag, content := range map[string]string{
		"digest-file": r.Digest.String(), "iidfile": id.String(), "metadata-file": string(m) + "\n",
	} {
		if file := c.String(flag); file != "" {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				return fmt.Errorf("writing --%s: %w", flag, err)
			}
		}
	}
	return nil
}
