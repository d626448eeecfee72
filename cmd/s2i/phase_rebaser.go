package main

import (
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/rebase"
)

// rebaserPhase edits the image where it is; no layer is moved.
func rebaserPhase() *cli.Command {
	return &cli.Command{
		Name: "rebaser", Usage: "swap the base of an image", ArgsUsage: "IMAGE…",
		Flags: append([]cli.Flag{
			layersFlag(), exportFlags()[3],
			&cli.BoolFlag{Name: "force", EnvVars: []string{"CNB_FORCE_REBASE"}, Usage: "rebase although something speaks against it"},
		}, imageFlags()...),
		Action: withImages(lifecycle.ExitRebase, rebaserRun),
	}
}

// rebaserRun rebases onto -run-image or, without it, onto the run image that the image records.
func rebaserRun(p *phase) error {
	refs, err := p.refs()
	if err != nil {
		return err
	}
	req := rebase.Request{App: refs[0], Run: p.String("run-image"), To: refs, Force: p.Bool("force")}
	if name := p.String("previous-image"); name != "" {
		if req.App, err = parseRef(name); err != nil {
			return err
		}
	}
	result, err := rebased(p.ctx(), p.Context, p.images, req)
	if err != nil {
		return err
	}
	var r lifecycle.Report
	for _, published := range result.Published {
		r.Image.Digest = published.Digest.String()
	}
	for _, ref := range refs {
		r.Image.Tags = append(r.Image.Tags, ref.Name)
	}
	return lifecycle.WriteReport(phaseFile(p.Context, "report"), r)
}
