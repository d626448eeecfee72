package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
)

// metadata is what --metadata-file holds.
type metadata struct {
	Digest  string `json:"digest"`
	ImageID string `json:"imageID"`
	// Platforms are the images of an index.
	Platforms []platformMetadata       `json:"platforms,omitempty"`
	Refs      []string                 `json:"refs"`
	Known     bool                     `json:"known"`
	Seconds   float64                  `json:"seconds"`
	Group     []lifecycle.GroupElement `json:"group,omitempty"`
}

// platformMetadata is one image of an index.
type platformMetadata struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	ImageID  string `json:"imageID"`
}

// platformsOf lists the images of an index by the index itself: annotations change digests.
func platformsOf(index v1.ImageIndex) ([]platformMetadata, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var all []platformMetadata
	for _, d := range m.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		id, err := img.ConfigName()
		if err != nil {
			return nil, err
		}
		all = append(all, platformMetadata{Platform: d.Platform.String(), Digest: d.Digest.String(), ImageID: id.String()})
	}
	return all, nil
}

// writeResults writes the files that flags ask for.
func writeResults(c *cli.Context, r *create.Result, took time.Duration) error {
	id := r.Digest // what docker writes for an index
	var platforms []platformMetadata
	var err error
	switch whole := r.Whole.(type) {
	case v1.ImageIndex:
		platforms, err = platformsOf(whole)
	case v1.Image:
		id, err = whole.ConfigName()
	}
	if err != nil {
		return err
	}
	refs := map[string]bool{}
	for _, p := range r.Published {
		refs[p.Ref.String()] = true
	}
	m, err := json.MarshalIndent(metadata{
		Digest: r.Digest.String(), ImageID: id.String(), Platforms: platforms, Refs: slices.Sorted(maps.Keys(refs)), Known: r.Known,
		Seconds: took.Seconds(), Group: r.Group,
	}, "", "  ")
	if err != nil {
		return err
	}
	files := nameFiles(c, r.Digest)
	maps.Copy(files, map[string]string{
		"digest-file": r.Digest.String(), "iidfile": id.String(), "metadata-file": string(m) + "\n",
	})
	for flag, content := range files {
		if file := c.String(flag); file != "" {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				return fmt.Errorf("writing --%s: %w", flag, err)
			}
		}
	}
	return nil
}
