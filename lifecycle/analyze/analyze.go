// Package analyze is the analyze phase (platform §analyzer): it finds out about the images of a build before any work is
// done. Is there a previous image, and which layers has it? Which run image is it to be? Can the result be written to
// every place that it is meant for? A build that could not be published ends here, not after ten minutes.
//
// Where the reference lifecycle asks one after the other, everything here is asked at the same time.
package analyze

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
)

// Access reads images and knows whether they can be written. An *image.Client is one.
type Access interface {
	Image(ctx context.Context, ref image.Ref, target lifecycle.Target) (v1.Image, error)
	CheckWrite(ctx context.Context, ref image.Ref) error
}

// Options is what the analyze phase works on.
type Options struct {
	Images Access
	// Destinations are where the app image goes, the main one first.
	Destinations []image.Ref
	// Cache is the cache image; its zero value means that there is none. It must be writable, too.
	Cache image.Ref
	// Previous names the image of an earlier build. Its zero value means that there is none to look for.
	Previous image.Ref
	// Run lists the run image and its mirrors: the first that can be read is taken, those in the registry of the main
	// destination before others. RunImage, when set, is the run image itself; it is reported under the first name of
	// Run, which may be empty.
	Run      []image.Ref
	RunImage v1.Image
	// Target is the platform to choose from indexes.
	Target lifecycle.Target
}

// Result is what was found out.
type Result struct {
	// Analyzed is analyzed.toml.
	lifecycle.Analyzed
	// PreviousImage is the image that Analyzed.Previous names, or nil.
	PreviousImage v1.Image
	// Run is the run image, or nil when none was asked for.
	Run v1.Image
}

// Images finds out about the images of a build. Errors carry the exit code of the phase.
func Images(ctx context.Context, o Options) (result *Result, err error) {
	ctx, task := progress.Start(ctx, "analyze", 0)
	defer func() { task.End(err) }()
	result, err = analyze(ctx, o)
	return result, lifecycle.WithCode(lifecycle.ExitAnalyze, err)
}

func analyze(ctx context.Context, o Options) (*Result, error) {
	var result Result
	group, asking := errgroup.WithContext(ctx)
	for i, ref := range o.Destinations {
		if slices.Contains(o.Destinations[:i], ref) {
			continue
		}
		group.Go(func() error { return checkWrite(asking, o.Images, ref) })
	}
	if o.Cache != (image.Ref{}) {
		group.Go(func() error { return checkWrite(asking, o.Images, o.Cache) })
	}
	// Images read their layers later, with the context they were opened with: not with the group's, which ends here.
	var run image.Ref
	group.Go(func() (err error) {
		result.PreviousImage, err = previous(ctx, o)
		return err
	})
	group.Go(func() (err error) {
		result.Run, run, err = runImage(ctx, o)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := describePrevious(&result, o.Previous); err != nil {
		return nil, err
	}
	if err := describeRun(&result, run); err != nil {
		return nil, err
	}
	return &result, nil
}

func checkWrite(ctx context.Context, images Access, ref image.Ref) error {
	if err := images.CheckWrite(ctx, ref); err != nil {
		return fmt.Errorf("checking that an image can be written to %s: %w", ref, err)
	}
	return nil
}

// previous reads the previous image. One that does not exist is none; and one that we may not read does not exist, as
// far as many registries are concerned.
func previous(ctx context.Context, o Options) (v1.Image, error) {
	if o.Previous == (image.Ref{}) {
		return nil, nil
	}
	img, err := o.Images.Image(ctx, o.Previous, o.Target)
	switch {
	case errors.Is(err, image.ErrNotFound), errors.Is(err, image.ErrPlatform):
		return nil, nil
	case errors.Is(err, image.ErrDenied), errors.Is(err, image.ErrOffline):
		progress.Warn(ctx, "No layers are reused from %s: %v", o.Previous, err)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the previous image %s: %w", o.Previous, err)
	}
	return img, nil
}

// runImage gives the run image and under which name it was found.
func runImage(ctx context.Context, o Options) (v1.Image, image.Ref, error) {
	if o.RunImage != nil {
		if len(o.Run) == 0 {
			return o.RunImage, image.Ref{}, nil
		}
		return o.RunImage, o.Run[0], nil
	}
	var errs []error
	for _, ref := range candidates(o) {
		img, err := o.Images.Image(ctx, ref, o.Target)
		if err == nil {
			return img, ref, nil
		}
		if ctx.Err() != nil {
			return nil, ref, context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("%s: %w", ref, err))
	}
	if len(errs) > 0 {
		return nil, image.Ref{}, fmt.Errorf("reading the run image: no name of it can be read: %w", errors.Join(errs...))
	}
	return nil, image.Ref{}, nil
}

// candidates sorts the names of the run image: those in the registry of the main destination first (platform §Run Image
// Resolution).
func candidates(o Options) []image.Ref {
	if len(o.Destinations) == 0 {
		return o.Run
	}
	home := hostOf(o.Destinations[0])
	near := func(ref image.Ref) bool { return home != "" && hostOf(ref) == home }
	out := slices.Clone(o.Run)
	slices.SortStableFunc(out, func(a, b image.Ref) int {
		switch {
		case near(a) == near(b):
			return 0
		case near(a):
			return -1
		default:
			return 1
		}
	})
	return out
}

// hostOf is the registry that holds ref, or "".
func hostOf(ref image.Ref) string {
	if ref.Kind != image.Registry {
		return ""
	}
	host, _, _ := strings.Cut(ref.Name, "/")
	return host
}

// describePrevious fills in what is said about the previous image. Metadata that cannot be decoded counts as none, as in
// the reference: somebody else made the image.
func describePrevious(result *Result, ref image.Ref) error {
	if result.PreviousImage == nil {
		return nil
	}
	config, err := result.PreviousImage.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the configuration of the previous image %s: %w", ref, err)
	}
	digest, err := result.PreviousImage.Digest()
	if err != nil {
		return fmt.Errorf("reading the digest of the previous image %s: %w", ref, err)
	}
	result.Previous = &lifecycle.AnalyzedImage{Reference: byDigest(ref, digest)}
	label := config.Config.Labels[lifecycle.LabelLayersMetadata]
	if json.Unmarshal([]byte(label), &result.Metadata) != nil {
		result.Metadata = lifecycle.LayersMetadata{}
	}
	return nil
}

// describeRun fills in what is said about the run image.
func describeRun(result *Result, ref image.Ref) error {
	if result.Run == nil {
		return nil
	}
	config, err := result.Run.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the configuration of the run image %s: %w", ref, err)
	}
	if config.OS == "" {
		return fmt.Errorf("the run image %s does not say which operating system it is for; use one that does", ref)
	}
	digest, err := result.Run.Digest()
	if err != nil {
		return fmt.Errorf("reading the digest of the run image %s: %w", ref, err)
	}
	target := Target(config)
	result.RunImage = &lifecycle.AnalyzedRunImage{Reference: byDigest(ref, digest), Image: ref.Name, Target: &target}
	return nil
}

// Target is what an image with this configuration is for: its platform, and the distribution that its labels name.
func Target(config *v1.ConfigFile) lifecycle.Target {
	target := lifecycle.Target{OS: config.OS, Arch: config.Architecture, Variant: config.Variant}
	labels := config.Config.Labels
	distro := lifecycle.Distro{
		Name: labels[lifecycle.LabelDistroName], Version: labels[lifecycle.LabelDistroVersion],
	}
	if distro != (lifecycle.Distro{}) {
		target.Distros = []lifecycle.Distro{distro}
	}
	return target
}

// byDigest names the image of ref by its digest.
func byDigest(ref image.Ref, digest v1.Hash) string {
	if ref.Kind == image.Registry {
		if parsed, err := name.ParseReference(ref.Name); err == nil {
			return parsed.Context().Name() + "@" + digest.String()
		}
	}
	if ref.Kind != image.Local || ref.Name == "" {
		return digest.String()
	}
	base, _, _ := strings.Cut(ref.Name, "@")
	if i := strings.LastIndexByte(base, ':'); i > strings.LastIndexByte(base, '/') {
		base = base[:i]
	}
	return base + "@" + digest.String()
}
