// Package rebase puts a built image onto a newer base without building it again (platform §Rebaser).
//
// It edits manifest and config only: the layers of the old base are exchanged for those of the new one, and no layer
// is read. What the app inherited from the old base's configuration it gets from the new one, what it set itself
// stays. Before that, it checks that the new base can carry the app, and refuses with reasons when it cannot.
//
// Three kinds of images can be rebased: ours and those of other CNB platforms, whose label
// io.buildpacks.lifecycle.metadata names the top layer of the base; and any image whose base is known, from its
// annotations org.opencontainers.image.base.name and .digest or from Options.OldBase.
package rebase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
)

// The annotations of a manifest that name its base.
const (
	AnnotationBaseName   = "org.opencontainers.image.base.name"
	AnnotationBaseDigest = "org.opencontainers.image.base.digest"
)

// Options says how to rebase. Its zero value rebases an image that describes its base itself, with all checks.
type Options struct {
	// RunImage is the name that the new base is published under, as the user writes it, without a digest. It is
	// compared with the names that the app recorded, and recorded as base.name. Empty for a base without a name.
	RunImage string
	// Reference names the new base exactly (host/repo@sha256:…); it is recorded. Empty means its digest.
	Reference string
	// Digest is recorded as base.digest; zero means that of the new base. It differs from it when RunImage names an
	// index.
	Digest v1.Hash
	// OldBase is the base that the app was built on, when it can be had. It is necessary for images that do not record
	// it themselves.
	OldBase v1.Image
	// Force rebases although checks fail. What it overrode is in the report.
	Force bool
	// DryRun makes Image and Index return a report also when they would refuse.
	DryRun bool
	// Created, unless it is zero, becomes the time of creation of the result; otherwise the app's stays.
	Created time.Time
}

// Report tells what a rebase did or would do.
type Report struct {
	// Platform is the platform of the image.
	Platform lifecycle.Target
	// From and To name the old and the new base: by reference where that is known, else by the top layer.
	From, To string
	// Removed and Added are the numbers of layers of the old and of the new base; Kept that of the app.
	Removed, Added, Kept int
	// Problems are the reasons against it: none for a rebase that went through, those overridden for a forced one.
	Problems []Problem
	// Changes lists in words what changes in the configuration.
	Changes []string
	// Unchecked lists in words what could not be checked, because one of the images does not say.
	Unchecked []string
	// Old and New are the digests of the image before and after. They are equal when there was nothing to do.
	Old, New v1.Hash
}

// Problem is one reason why an app should not run on a base.
type Problem struct {
	// Check is what found it: "target", "distro", "rebasable", "run image", "stack", "compatibility", "libraries".
	Check string
	// Reason says in words what is wrong.
	Reason string
}

// RefusedError says why a rebase was refused.
type RefusedError struct{ Problems []Problem }

// Error lists all reasons.
func (e *RefusedError) Error() string {
	reasons := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		reasons[i] = p.Reason
	}
	return "the new base does not fit: " + strings.Join(reasons, "; ") + " (to rebase nevertheless, force it)"
}

// ErrNoBase is in the chain of the error when an image does not tell where its base ends.
var ErrNoBase = errors.New("the base of the image is not known")

// Image gives app on the base newRun. It reads the manifests and configs of both, and no layer. The error is a
// *RefusedError when checks fail; the report is then returned with it.
func Image(ctx context.Context, app, newRun v1.Image, o Options) (v1.Image, *Report, error) {
	r, err := newRebase(app, newRun, o)
	if err != nil {
		return nil, nil, fmt.Errorf("rebasing: %w", err)
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	r.check()
	if len(r.report.Problems) > 0 && !o.Force && !o.DryRun {
		return nil, r.report, &RefusedError{r.report.Problems}
	}
	img, err := r.build()
	if err != nil {
		return nil, nil, fmt.Errorf("rebasing: %w", err)
	}
	if r.report.New, err = img.Digest(); err != nil {
		return nil, nil, fmt.Errorf("rebasing: %w", err)
	}
	return img, r.report, nil
}

// side is one of the images with everything that is read of it.
type side struct {
	image    v1.Image
	manifest *v1.Manifest
	config   *v1.ConfigFile
	layers   []v1.Layer
}

func readSide(img v1.Image, what string) (*side, error) {
	s := &side{image: img}
	var err error
	if s.manifest, err = img.Manifest(); err != nil {
		return nil, fmt.Errorf("reading the manifest of %s: %w", what, err)
	}
	if s.config, err = img.ConfigFile(); err != nil {
		return nil, fmt.Errorf("reading the config of %s: %w", what, err)
	}
	if s.layers, err = img.Layers(); err != nil {
		return nil, fmt.Errorf("listing the layers of %s: %w", what, err)
	}
	if n := len(s.config.RootFS.DiffIDs); n != len(s.layers) || n != len(s.manifest.Layers) {
		return nil, fmt.Errorf("%s has %d layers, but its config lists %d", what, len(s.layers), n)
	}
	return s, nil
}

// rebase is one rebase under way.
type rebase struct {
	app, run *side
	o        Options
	meta     *lifecycle.LayersMetadata // nil when the app has no such label
	base     *v1.Config                // the old base's configuration; nil when it is not known
	baseText json.RawMessage           // the same as it is written
	cut      boundary
	report   *Report
}

func newRebase(app, newRun v1.Image, o Options) (*rebase, error) {
	r := &rebase{o: o}
	var err error
	if r.app, err = readSide(app, "the image"); err != nil {
		return nil, err
	}
	if r.run, err = readSide(newRun, "the new base"); err != nil {
		return nil, err
	}
	if r.o.Digest.Hex == "" {
		if r.o.Digest, err = newRun.Digest(); err != nil {
			return nil, fmt.Errorf("computing the digest of the new base: %w", err)
		}
	}
	if r.o.Reference == "" {
		r.o.Reference = r.o.Digest.String()
	}
	if r.meta, err = readMetadata(r.app.config); err != nil {
		return nil, err
	}
	if err = r.readOldConfig(); err != nil {
		return nil, err
	}
	if r.cut, err = r.findCut(); err != nil {
		return nil, err
	}
	return r, r.begin()
}

func (r *rebase) begin() error {
	digest, err := r.app.image.Digest()
	if err != nil {
		return fmt.Errorf("computing the digest of the image: %w", err)
	}
	c := r.app.config
	r.report = &Report{
		Platform: lifecycle.Target{OS: c.OS, Arch: c.Architecture, Variant: c.Variant},
		From:     r.cut.name, To: r.o.Reference, Old: digest,
		Removed: r.cut.layers, Added: len(r.run.layers), Kept: len(r.app.layers) - r.cut.layers,
	}
	return nil
}
