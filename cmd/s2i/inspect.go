package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/docker/go-units"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// inspectCommand tells what an image is made of, wherever the image is.
func inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "show what an image is made of", ArgsUsage: "REF",
		Description: "Examples:\n   s2i inspect app:1\n   s2i inspect --json registry.example.com/team/app:1",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "write JSON"}},
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			arg, err := oneArg(c, "REF", "")
			if err != nil {
				return err
			}
			ref, err := parseRef(arg)
			if err != nil {
				return err
			}
			img, err := t.images.Image(ctx, ref, hostTarget())
			if err != nil {
				return fmt.Errorf("getting %s: %w", ref, err)
			}
			d, err := describe(ref, img)
			if err != nil {
				return fmt.Errorf("inspecting %s: %w", ref, err)
			}
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				return enc.Encode(d)
			}
			return d.print(c.App.Writer)
		}),
	}
}

// description is what inspect tells about an image.
type description struct {
	Name       string                     `json:"name"`
	Digest     string                     `json:"digest"`
	ImageID    string                     `json:"imageID"`
	Platform   string                     `json:"platform"`
	Base       lifecycle.RunImageMetadata `json:"base"`
	Packages   json.RawMessage            `json:"packages,omitempty"`
	Buildpacks []lifecycle.GroupElement   `json:"buildpacks,omitempty"`
	Processes  []lifecycle.Process        `json:"processes,omitempty"`
	Default    string                     `json:"defaultProcess,omitempty"`
	Env        []string                   `json:"env,omitempty"`
	User       string                     `json:"user,omitempty"`
	Layers     []layerDescription         `json:"layers"`
	Labels     map[string]string          `json:"labels,omitempty"`
}

// layerDescription is a layer of it, with what made it.
type layerDescription struct {
	Digest    string `json:"digest"`
	DiffID    string `json:"diffID"`
	Size      int64  `json:"size"`
	CreatedBy string `json:"createdBy"`
	Base      bool   `json:"base"`
}

// describe reads it off the image; no layer is read.
func describe(ref image.Ref, img v1.Image) (*description, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	d := &description{
		Name: ref.String(), Digest: digest.String(), ImageID: manifest.Config.Digest.String(),
		Platform: config.Platform().String(), Env: config.Config.Env, User: config.Config.User, Labels: config.Config.Labels,
	}
	var layers lifecycle.LayersMetadata
	var build lifecycle.BuildMetadata
	for label, v := range map[string]any{lifecycle.LabelLayersMetadata: &layers, lifecycle.LabelBuildMetadata: &build} {
		if text := config.Config.Labels[label]; text != "" {
			if err := json.Unmarshal([]byte(text), v); err != nil {
				return nil, fmt.Errorf("reading the label %s: %w", label, err)
			}
		}
	}
	d.Base, d.Buildpacks, d.Processes, d.Default = layers.RunImage, build.Buildpacks, build.Processes, build.BuildpackDefaultProcessType
	if packages := config.Config.Labels[lifecycle.LabelPackages]; json.Valid([]byte(packages)) {
		d.Packages = json.RawMessage(packages)
	}
	d.Layers = describeLayers(manifest, config, layers.RunImage.TopLayer)
	return d, nil
}

// describeLayers pairs layers with the history entries that made them.
func describeLayers(m *v1.Manifest, c *v1.ConfigFile, topLayer string) []layerDescription {
	var made []string
	for _, h := range c.History {
		if !h.EmptyLayer {
			made = append(made, h.CreatedBy)
		}
	}
	layers := make([]layerDescription, len(m.Layers))
	base := topLayer != ""
	for i, l := range m.Layers {
		layers[i] = layerDescription{Digest: l.Digest.String(), Size: l.Size, Base: base}
		if i < len(made) {
			layers[i].CreatedBy = made[i]
		}
		if i < len(c.RootFS.DiffIDs) {
			layers[i].DiffID = c.RootFS.DiffIDs[i].String()
			base = base && layers[i].DiffID != topLayer
		}
	}
	return layers
}

// print writes the description for people.
func (d *description) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "name\t%s\ndigest\t%s\nimage ID\t%s\nplatform\t%s\nuser\t%s\n", d.Name, d.Digest, d.ImageID, d.Platform, d.User)
	if d.Base.Reference != "" {
		fmt.Fprintf(w, "base\t%s\n", d.Base.Reference)
	}
	for _, b := range d.Buildpacks {
		fmt.Fprintf(w, "buildpack\t%s\n", b)
	}
	for _, p := range d.Processes {
		mark := ""
		if p.Type == d.Default {
			mark = " (default)"
		}
		fmt.Fprintf(w, "process\t%s%s: %q\n", p.Type, mark, append(p.Command, p.Args...))
	}
	var total int64
	for _, l := range d.Layers {
		kind := "app"
		if l.Base {
			kind = "base"
		}
		total += l.Size
		fmt.Fprintf(w, "layer\t%s\t%s\t%.19s\t%s\n", kind, units.HumanSize(float64(l.Size)), l.Digest, l.CreatedBy)
	}
	fmt.Fprintf(w, "total\t%s compressed\n", units.HumanSize(float64(total)))
	return w.Flush()
}
