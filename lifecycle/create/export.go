package create

import (
	"context"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/export"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/restore"
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
func (w *work) export(ctx context.Context) (*built, error) {
	launcher, err := w.Launcher(w.App.Target.Arch)
	if err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	layers, err := export.Make(ctx, export.Options{
		Store: w.Store, Run: w.bases.Run, RunImage: w.bases.RunImage, LayersDir: w.dirs.layers, AppDir: w.dirs.app,
		Group: w.detected.Group.Group, Metadata: w.metadata, Previous: w.previous(), Launcher: launcher,
		DefaultProcess: w.App.DefaultProcess, Project: w.Tree.Project, Created: w.App.Created,
		Compression: w.App.Compression,
		OnLayer:     w.ahead.send,
	})
	if err != nil {
		return nil, err
	}
	if err := w.complete(ctx, layers); err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	if err := w.verify(ctx, layers); err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	if err := w.rememberAdded(); err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	labels, err := w.labels()
	if err != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	exported, err := layers.On(export.Base{Run: w.bases.Run, RunImage: w.bases.RunImage, Extended: w.bases.Extended,
		Added: w.added, Labels: labels})
	if err != nil {
		return nil, err
	}
	if err := w.saveCache(ctx, exported.Metadata); err != nil {
		progress.Warn(ctx, "the cache of this build is lost: %v", err)
	}
	return &built{image: exported.Image, group: w.detected.Group.Group}, nil
}

// labels are the user's, and the plan.
func (w *work) labels() (map[string]string, error) {
	plan, err := w.plan(&w.bases.Plan).label()
	if err != nil {
		return nil, err
	}
	labels := maps.Clone(w.App.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[lifecycle.LabelPlan] = plan
	return labels, nil
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
