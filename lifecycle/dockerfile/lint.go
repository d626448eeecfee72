package dockerfile

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile/check"
	"s2i/lifecycle/progress"
)

// Check holds the Dockerfile against the build checks, without building anything: all of its stages, or those that
// Options.Target needs. What is found before an error is in the report.
func Check(ctx context.Context, o Options) (*check.Report, error) {
	b := &builder{Options: o, work: newWork(ctx, o)}
	if err := b.globals(); err != nil {
		return nil, err
	}
	target, err := o.File.target(o.Target)
	if err != nil {
		return nil, err
	}
	if o.Target != "" {
		if err := b.plan(target); err != nil {
			return nil, err
		}
	}
	return b.lint(ctx)
}

// warn tells what the checks find in the stages that are built. It fails when the Dockerfile wants that.
func (b *builder) warn(ctx context.Context) error {
	if b.Generated {
		return nil
	}
	report, err := b.lint(ctx)
	if report != nil {
		for _, f := range report.Findings {
			progress.Warn(ctx, "%s:%d: %s: %s", b.File.Name, f.Line(), f.Rule, f.Detail)
		}
	}
	if err != nil || ctx.Err() != nil {
		return nil //nolint:nilerr // the build itself finds it, and says more
	}
	return report.Err()
}

func (b *builder) lint(ctx context.Context) (*check.Report, error) {
	o := check.Options{
		Name: b.File.Name, Args: b.Args, Predefined: append(platformVars(b.Platform).list, "TARGETSTAGE="+b.targetName()),
		Platform: b.Platform.OS + "/" + b.Platform.Arch, Base: b.baseConfig,
	}
	if b.Context != nil {
		o.Ignore = b.Context.patterns()
	}
	b.mu.Lock()
	needed := slices.Clone(b.stages)
	b.mu.Unlock()
	if len(needed) > 0 {
		o.Stage = func(i int) bool { return needed[i] != nil }
	}
	report, err := check.Run(ctx, b.File.text, o)
	return report, located(b.File.Name, err, nil)
}

// baseConfig reads the configuration of a base image.
func (b *builder) baseConfig(ctx context.Context, name, platform string) (*v1.ConfigFile, error) {
	target, err := lifecycle.ParseTarget(platform)
	if err != nil {
		return nil, err
	}
	if c, ok := b.context(name); ok && c.Dir != nil {
		return &v1.ConfigFile{OS: target.OS, Architecture: target.Arch, Variant: target.Variant}, nil
	}
	img, _, err := b.openImage(ctx, name, target)
	if err != nil {
		return nil, err
	}
	return img.ConfigFile()
}
