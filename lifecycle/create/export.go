package create

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/export"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/restore"
	"s2i/lifecycle/sandbox"
)

// restore brings back what earlier builds of the app left for this one.
func (w *work) restore(ctx context.Context) error {
	if w.NoCache {
		return nil
	}
	return restore.Layers(ctx, restore.Options{
		LayersDir: w.dirs.layers, Group: w.detected.Group.Group, Previous: w.analyzed.Metadata, PreviousImage: w.analyzed.PreviousImage,
		Cache: w.cache, UID: lifecycle.UserID, GID: lifecycle.GroupID,
	})
}

// export makes the image and keeps the layers that are to be cached.
func (w *work) export(ctx context.Context) (*Result, error) {
	launcher, err := w.Launcher(w.App.Target.Arch)
	if err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	exported, err := export.Image(ctx, export.Options{
		Store: w.Store, Run: w.bases.Run, RunImage: w.bases.RunImage, LayersDir: w.dirs.layers, AppDir: w.dirs.app,
		Group: w.detected.Group.Group, Metadata: w.metadata, Previous: w.previous(), Launcher: launcher,
		DefaultProcess: w.App.DefaultProcess, Project: w.Tree.Project, Created: w.App.Created, Labels: w.App.Labels,
		Compression: w.App.Compression,
		OnLayer:     w.ahead.send,
	})
	if err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	digest, err := exported.Image.Digest()
	if err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, fmt.Errorf("computing the image's digest: %w", err))
	}
	if err := w.saveCache(ctx, exported.Metadata); err != nil {
		progress.Warn(ctx, "the cache of this build is lost: %v", err)
	}
	return &Result{Image: exported.Image, Digest: digest, Group: w.detected.Group.Group}, nil
}

func (w *work) saveCache(ctx context.Context, exported lifecycle.LayersMetadata) error {
	if w.cache == nil {
		return nil
	}
	w.saved = true
	return w.cache.Save(ctx, restore.Built{
		LayersDir: w.dirs.layers, Group: w.detected.Group.Group, Exported: exported,
	})
}

// previous is the image to take layers without contents from, or nil.
func (w *work) previous() v1.Image {
	if w.analyzed == nil {
		return nil
	}
	return w.analyzed.PreviousImage
}

func (w *work) groupHasThirdParty() bool {
	return slices.ContainsFunc(w.detected.Group.Group, func(e lifecycle.GroupElement) bool {
		b, err := w.Builder.find(e)
		return err == nil && b.thirdParty()
	})
}

// buildError keeps the exit code that the builder phase ended with, so that a failed buildpack (51) is told apart from
// a failed build (52).
func buildError(err error) error {
	var exit *sandbox.ExitError
	if errors.As(err, &exit) && exit.Code == lifecycle.ExitBuildpackFailed {
		return lifecycle.WithCode(lifecycle.ExitBuildpackFailed, errors.New("the build failed: the buildpack's own output above says why"))
	}
	return lifecycle.WithCode(lifecycle.ExitBuild, fmt.Errorf("building: %w", err))
}
