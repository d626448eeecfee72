package rebase

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// Request says which image to rebase, and onto what.
type Request struct {
	// App is the image, or the index of images.
	App image.Ref
	// Run names the new base, an image or an index. Empty: the name that App recorded, or the first of its mirrors that
	// is in the same registry as App.
	Run string
	// Bases, when set, gives the new base in the place of Run: a base that is composed here, for example.
	Bases Bases
	// OldBase names the old base, for images that do not record it. Usually empty.
	OldBase string
	// To is where the result goes; empty means App's own place.
	To []image.Ref
	// Force and DryRun are as in Options. A dry run publishes nothing.
	Force, DryRun bool
}

// Result tells what Ref did: a report for each platform, and where the result is.
type Result struct {
	Reports   []*Report
	Published []image.Published
}

// Ref rebases the image that a reference names, wherever it lives, and publishes the result. It asks a registry for no
// layer. With a *RefusedError, the reports are returned as well.
func Ref(ctx context.Context, c *image.Client, req Request) (*Result, error) {
	j := &job{c: c, req: req}
	if err := j.read(ctx); err != nil {
		return nil, fmt.Errorf("rebasing %s: %w", req.App, err)
	}
	rebased, reports, err := j.rebase(ctx)
	result := &Result{Reports: reports}
	if err != nil {
		return result, fmt.Errorf("rebasing %s: %w", req.App, err)
	}
	if req.DryRun {
		return result, nil
	}
	to := req.To
	if len(to) == 0 {
		to = []image.Ref{req.App}
	}
	result.Published, err = c.Publish(ctx, rebased, to)
	return result, err
}

// job is one Ref under way.
type job struct {
	c        *image.Client
	req      Request
	app, run any // v1.Image or v1.ImageIndex
	runRef   image.Ref
	runName  string // as it is recorded: without a digest
}

// read gets the image and the new base; both at the same time when it is known what the base is.
func (j *job) read(ctx context.Context) error {
	var g errgroup.Group // without a context of its own: the images outlive it
	g.Go(func() (err error) {
		j.app, err = j.c.Get(ctx, j.req.App)
		return errors.Join(err, readConfig(j.app))
	})
	if j.req.Run != "" && j.req.Bases == nil {
		g.Go(func() error { return j.readRun(ctx, j.req.Run) })
	}
	if err := g.Wait(); err != nil || j.run != nil || j.req.Bases != nil {
		return err
	}
	recorded, err := j.recordedRun()
	if err != nil {
		return err
	}
	return j.readRun(ctx, recorded)
}

func (j *job) readRun(ctx context.Context, run string) (err error) {
	if j.runRef, err = image.Parse(run); err != nil {
		return err
	}
	j.runName, _, _ = strings.Cut(run, "@")
	if j.runRef.Kind != image.Registry {
		j.runName = ""
	}
	j.run, err = j.c.Get(ctx, j.runRef)
	return errors.Join(err, readConfig(j.run))
}

// readConfig makes an image fetch its config now, while the other image is being fetched.
func readConfig(found any) error {
	if img, ok := found.(v1.Image); ok {
		_, err := img.RawConfigFile()
		return err
	}
	return nil
}

// recordedRun finds the name that new versions of the base are published under.
func (j *job) recordedRun() (string, error) {
	img, err := anyImage(j.app)
	if err != nil {
		return "", err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	meta, err := readMetadata(config)
	if err != nil {
		return "", err
	}
	r := &rebase{meta: meta, app: &side{config: config}}
	names := r.recordedNames()
	if len(names) == 0 {
		m, err := img.Manifest()
		if err != nil {
			return "", err
		}
		if names = []string{m.Annotations[AnnotationBaseName]}; names[0] == "" {
			return "", fmt.Errorf("%w: it does not record which base it is for; name the new one", ErrNoBase)
		}
	}
	for _, n := range names {
		if ref, err := image.Parse(n); err == nil && ref.Kind == image.Registry && j.req.App.Kind == image.Registry &&
			host(n) == host(j.req.App.Name) {
			return n, nil
		}
	}
	if full, ok := r.repositoryName(names[0]); ok {
		return full, nil
	}
	return names[0], nil
}

func host(s string) string {
	h, _, _ := strings.Cut(s, "/")
	return h
}

// anyImage gives an image, or the first one of an index.
func anyImage(found any) (v1.Image, error) {
	if img, ok := found.(v1.Image); ok {
		return img, nil
	}
	idx, ok := found.(v1.ImageIndex)
	if !ok {
		return nil, errNeither
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if isPlatform(d) {
			return idx.Image(d.Digest)
		}
	}
	return nil, errors.New("the index holds no image")
}

func (j *job) rebase(ctx context.Context) (any, []*Report, error) {
	if idx, ok := j.app.(v1.ImageIndex); ok {
		out, reports, err := Index(ctx, idx, j.bases)
		return out, reports, err
	}
	app, ok := j.app.(v1.Image)
	if !ok {
		return nil, nil, errNeither
	}
	config, err := app.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	platform := lifecycle.Target{OS: config.OS, Arch: config.Architecture, Variant: config.Variant}
	newRun, o, err := j.bases(ctx, app, platform)
	if err != nil {
		return nil, nil, err
	}
	out, report, err := Image(ctx, app, newRun, o)
	if report == nil {
		return nil, nil, err
	}
	return out, []*Report{report}, err
}

// bases is the Bases of this job.
func (j *job) bases(ctx context.Context, app v1.Image, platform lifecycle.Target) (v1.Image, Options, error) {
	if j.req.Bases != nil {
		newRun, o, err := j.req.Bases(ctx, app, platform)
		o.Force, o.DryRun = o.Force || j.req.Force, o.DryRun || j.req.DryRun
		return newRun, o, err
	}
	o := Options{RunImage: j.runName, Force: j.req.Force, DryRun: j.req.DryRun}
	newRun, err := forPlatform(j.run, platform)
	if err != nil {
		return nil, o, fmt.Errorf("choosing the new base: %w", err)
	}
	if o.Digest, err = digestOf(j.run); err != nil {
		return nil, o, err
	}
	exact, err := newRun.Digest()
	if err != nil {
		return nil, o, err
	}
	if j.runRef.Kind == image.Registry {
		ref, err := name.ParseReference(j.runRef.Name, name.WeakValidation)
		if err != nil {
			return nil, o, err
		}
		o.Reference = ref.Context().Name() + "@" + exact.String()
	}
	o.OldBase, err = j.oldBase(ctx, app, platform)
	return newRun, o, err
}

func digestOf(found any) (v1.Hash, error) {
	d, ok := found.(interface{ Digest() (v1.Hash, error) })
	if !ok {
		return v1.Hash{}, errNeither
	}
	return d.Digest()
}

// errNeither is about something that a reference names and that cannot be rebased, nor be a base.
var errNeither = errors.New("it is neither an image nor an index")

func forPlatform(found any, platform lifecycle.Target) (v1.Image, error) {
	if img, ok := found.(v1.Image); ok {
		return img, nil
	}
	idx, ok := found.(v1.ImageIndex)
	if !ok {
		return nil, errNeither
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	d, err := image.Choose(m, platform)
	if err != nil {
		return nil, err
	}
	return idx.Image(d.Digest)
}

// oldBase gets the base that the app was built on where that is needed to find the cut, or where it makes the merge of
// the configurations better; in the second case it may be gone.
func (j *job) oldBase(ctx context.Context, app v1.Image, platform lifecycle.Target) (v1.Image, error) {
	config, err := app.ConfigFile()
	if err != nil {
		return nil, err
	}
	named, needed := j.req.OldBase, true
	if named == "" {
		if _, ok := config.Config.Labels[lifecycle.LabelBaseConfig]; ok {
			return nil, nil
		}
		if named, needed, err = recordedBase(app, config); err != nil {
			return nil, err
		}
	}
	if named == "" {
		return nil, nil
	}
	img, err := j.oldImage(ctx, named, platform)
	if err != nil && !needed {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the old base: %w", err)
	}
	return img, nil
}

func (j *job) oldImage(ctx context.Context, named string, platform lifecycle.Target) (v1.Image, error) {
	ref, err := image.Parse(named)
	if err != nil {
		return nil, err
	}
	found, err := j.c.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return forPlatform(found, platform)
}

// recordedBase is the exact name of the old base that the app recorded, if any, and whether nothing else tells where
// it ends.
func recordedBase(app v1.Image, config *v1.ConfigFile) (named string, needed bool, err error) {
	meta, err := readMetadata(config)
	if err != nil {
		return "", false, err
	}
	if meta != nil && meta.RunImage.TopLayer != "" {
		ref, err := name.NewDigest(meta.RunImage.Reference, name.WeakValidation)
		if err != nil {
			return "", false, nil //nolint:nilerr // an image id of a daemon, for example: no way to get it
		}
		return ref.Name(), false, nil
	}
	m, err := app.Manifest()
	if err != nil {
		return "", false, err
	}
	base, err := name.ParseReference(m.Annotations[AnnotationBaseName], name.WeakValidation)
	if err != nil || m.Annotations[AnnotationBaseDigest] == "" {
		return "", false, nil //nolint:nilerr // the image says nothing about its base
	}
	return base.Context().Name() + "@" + m.Annotations[AnnotationBaseDigest], true, nil
}
