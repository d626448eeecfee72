package create

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"

	"s2i/detect"
	"s2i/lifecycle"
)

// Buildpack is a buildpack that a build may use: its descriptor and, for a built-in one, how to detect in-process.
type Buildpack struct {
	lifecycle.Buildpack
	// Detect is a built-in's detection, a pure function of the app; its last line of output is its reason. An error says
	// that the buildpack recognises the app and cannot build it. Detect is nil for a buildpack that lives in
	// Buildpack.Dir and brings its own bin/detect.
	Detect func(ctx context.Context, app, platform string, out io.Writer) (plan lifecycle.BuildPlan, pass bool, err error)
}

func (b Buildpack) thirdParty() bool { return b.Detect == nil }

// place is where a module that brings its own programs is inside the sandbox.
func (b Buildpack) place() string {
	dir := lifecycle.BuildpacksDir
	if b.IsExtension() {
		dir = lifecycle.ExtensionsDir
	}
	return path.Join(dir, lifecycle.EscapedID(b.About().ID), b.About().Version)
}

func (b Buildpack) detect(ctx context.Context, app, platform string, out *bytes.Buffer) detect.Outcome {
	plan, pass, err := b.Detect(ctx, app, platform, out)
	o := detect.Outcome{Element: b.Element(), Status: detect.Failed, Plan: plan, Output: out.Bytes(), Err: err}
	switch {
	case err != nil:
		o.Status = detect.Refused
	case pass:
		o.Status = detect.Passed
	}
	o.Reason = lastLine(out.Bytes())
	if err != nil {
		o.Reason = lifecycle.PlainLine(err.Error(), maxReason)
	}
	return o
}

func descriptors(buildpacks []Buildpack) []lifecycle.Buildpack {
	all := make([]lifecycle.Buildpack, len(buildpacks))
	for i, b := range buildpacks {
		all[i] = b.Buildpack
	}
	return all
}

// find gives the builder's buildpack that a group element names.
func (b Builder) find(e lifecycle.GroupElement) (Buildpack, error) {
	i := slices.IndexFunc(b.Buildpacks, func(bp Buildpack) bool {
		about := bp.About()
		return bp.IsExtension() == e.Extension && about.ID == e.ID && (e.Version == "" || about.Version == e.Version)
	})
	if i < 0 {
		return Buildpack{}, fmt.Errorf("buildpack %s is not in the builder", e)
	}
	return b.Buildpacks[i], nil
}
