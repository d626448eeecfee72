package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/analyze"
)

// analyzerPhase writes analyzed.toml.
func analyzerPhase() *cli.Command {
	return &cli.Command{
		Name: "analyzer", Usage: "find out about the images of a build", ArgsUsage: "IMAGE",
		Flags: append([]cli.Flag{layersFlag(), fileFlag("analyzed", "CNB_ANALYZED_PATH")}, imageFlags()...),
		Action: withImages(lifecycle.ExitAnalyze, func(p *phase) error {
			result, err := p.analyze()
			if err != nil {
				return err
			}
			return lifecycle.WriteAnalyzed(phaseFile(p.Context, "analyzed"), result.Analyzed)
		}),
	}
}

// analyze opens the previous image and the run image, and finds out whether the image can be written.
func (p *phase) analyze() (*analyze.Result, error) {
	refs, err := p.refs()
	if err != nil {
		return nil, err
	}
	o := analyze.Options{Images: p.images, Destinations: refs, Previous: refs[0], Target: hostTarget()}
	if name := p.String("previous-image"); name != "" {
		if o.Previous, err = parseRef(name); err != nil {
			return nil, err
		}
	}
	names, err := p.runImages()
	if err != nil {
		return nil, err
	}
	if o.Run, err = parseRefs(names); err != nil {
		return nil, err
	}
	return analyze.Images(p.ctx(), o)
}

// runImages lists the run image that -run-image names, or that run.toml begins with, and its mirrors.
func (p *phase) runImages() ([]string, error) {
	if name := p.String("run-image"); name != "" {
		return []string{name}, nil
	}
	file, err := lifecycle.ReadRun(p.String("run"))
	if err != nil {
		return nil, fmt.Errorf("finding the run image (give -run-image or run.toml): %w", err)
	}
	if len(file.Images) == 0 {
		return nil, usageError("%s names no run image", p.String("run"))
	}
	return append([]string{file.Images[0].Image}, file.Images[0].Mirrors...), nil
}
