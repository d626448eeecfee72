package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/analyze"
	"s2i/lifecycle/export"
	"s2i/lifecycle/launch/prebuilt"
	"s2i/lifecycle/restore"
)

// exporterPhase makes the image of what the builder left.
func exporterPhase() *cli.Command {
	return &cli.Command{
		Name: "exporter", Usage: "make the image and push it", ArgsUsage: "IMAGE…",
		Flags: append(append([]cli.Flag{
			appFlag(), layersFlag(), fileFlag("group", "CNB_GROUP_PATH"), fileFlag("analyzed", "CNB_ANALYZED_PATH"),
		}, append(imageFlags(), extensionFlags()...)...), exportFlags()...),
		Action: withImages(lifecycle.ExitExport, func(p *phase) error {
			group, analyzed, err := readInputs(p.Context)
			if err != nil {
				return err
			}
			if analyzed.RunImage == nil {
				return errors.New("analyzed.toml names no run image: run the analyzer first")
			}
			ref, err := parseRef(analyzed.RunImage.Reference)
			if err != nil {
				return err
			}
			run, err := p.images.Image(p.ctx(), ref, targetOf(analyzed))
			if err != nil {
				return fmt.Errorf("getting the run image: %w", err)
			}
			previous, err := p.previous(analyzed)
			if err != nil {
				return err
			}
			cache, err := p.cache()
			if err != nil {
				return err
			}
			return p.export(group, &analyze.Result{Analyzed: analyzed, PreviousImage: previous, Run: run}, cache)
		}),
	}
}

// export makes the image, pushes it, saves the cache and writes report.toml.
func (p *phase) export(g lifecycle.GroupFile, a *analyze.Result, cache *restore.Dir) error {
	refs, err := p.refs()
	if err != nil {
		return err
	}
	o, err := p.exportOptions(g, a)
	if err != nil {
		return err
	}
	result, err := export.Image(p.ctx(), o)
	if err != nil {
		return err
	}
	published, err := p.images.Publish(p.ctx(), result.Image, refs)
	if err != nil {
		return err
	}
	for _, r := range refs {
		result.Report.Image.Tags = append(result.Report.Image.Tags, r.Name)
	}
	if cache != nil {
		built := restore.Built{LayersDir: p.String("layers"), Group: g.Group, Exported: result.Metadata}
		if err := cache.Save(p.ctx(), built); err != nil {
			return fmt.Errorf("saving the cache: %w", err)
		}
	}
	if err := printPublished(p.Context, published); err != nil {
		return err
	}
	return lifecycle.WriteReport(phaseFile(p.Context, "report"), result.Report)
}

// exportOptions gathers what an image is made of, from flags, environment and the layers directory.
func (p *phase) exportOptions(g lifecycle.GroupFile, a *analyze.Result) (export.Options, error) {
	layers := p.String("layers")
	o := export.Options{
		Store: p.store, Run: a.Run, Previous: a.PreviousImage, LayersDir: layers, AppDir: p.String("app"),
		Group: g.Group, DefaultProcess: p.String("process-type"),
		RunImage: lifecycle.RunImageMetadata{Reference: a.RunImage.Reference, Image: a.RunImage.Image},
		Places:   export.Places{Layers: lifecycle.LayersDir, App: lifecycle.AppDir},
	}
	var err error
	if o.Metadata, err = lifecycle.ReadBuildMetadata(filepath.Join(layers, lifecycle.BuildMetadataPath)); err != nil {
		return o, err
	}
	if a.RunImage.Extend {
		if o.Run, err = p.extendedRun(targetOf(a.Analyzed)); err != nil {
			return o, err
		}
		o.Extended = a.Run
	}
	if o.Places.UID, o.Places.GID, err = p.owner(); err != nil {
		return o, err
	}
	if o.Project, err = lifecycle.ReadProjectMetadata(phaseFile(p.Context, "project-metadata")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	if o.Created, err = creationTime(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return o, err
	}
	if file := p.String("launcher"); file != "" {
		o.Launcher, err = os.ReadFile(file)
	} else {
		o.Launcher, err = prebuilt.Launcher(targetOf(a.Analyzed).Arch)
	}
	return o, err
}
