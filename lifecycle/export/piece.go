package export

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/native"
	"s2i/lifecycle/store"
)

// CreatedBy of the layers in the image's history, the same as the reference lifecycle's: other tools read them.
const (
	historyBuildpack = "Layer: '%s', Created by buildpack: %s"
	historySBOM      = "Software Bill-of-Materials"
	historyApp       = "Application Layer"
	historySlice     = "Application Slice: %d"
	historyLauncher  = "Buildpacks Application Launcher"
	historyConfig    = "Buildpacks Launcher Config"
	historyProcesses = "Buildpacks Process Types"
)

// role is what a piece is for, which decides where its diffID is recorded.
type role int

const (
	roleBuildpack role = iota
	roleSBOM
	roleApp
	roleLauncher
	roleConfig
	roleProcesses
)

// piece is one layer of the image to be: how to make it, and, once made, what it is.
type piece struct {
	role    role
	id      string // for messages: "s2i/go:bin"
	history string
	own     *lifecycle.Layer // for roleBuildpack

	// tree is the directory that the layer shows, when it is worth remembering which layer it gave.
	tree *tree
	// variant tells pieces of one tree apart, and everything else that decides the bytes.
	variant string
	source  store.Source
	// scan finds out what the layer's files need; nil when there can be nothing.
	scan func(ctx context.Context, s *native.Scanner) error

	layer  v1.Layer // set from the start when the layer is taken from the previous image
	diffID v1.Hash
	needs  lifecycle.LayerNeeds
	known  bool          // needs is complete, of a layer that was taken over
	files  []native.File // with needs, unless a layer was taken over and is not known here
}

// plan lists the layers of the image above the run image, bottom first, without reading any contents.
func plan(o Options, previous *previousImage) ([]*piece, error) {
	pieces, err := buildpackPieces(o, previous)
	if err != nil {
		return nil, err
	}
	sbom, err := sbomPiece(o)
	if err != nil {
		return nil, err
	}
	if sbom != nil {
		pieces = append(pieces, sbom)
	}
	app, err := appPieces(o)
	if err != nil {
		return nil, err
	}
	config, err := configPiece(o)
	if err != nil {
		return nil, err
	}
	pieces = append(pieces, app...)
	pieces = append(pieces, launcherPiece(o.Launcher), config)
	if len(o.Metadata.Processes) > 0 {
		pieces = append(pieces, processesPiece(o.Metadata.Processes))
	}
	return pieces, nil
}

// buildpackPieces lists the launch layers of the group.
func buildpackPieces(o Options, previous *previousImage) ([]*piece, error) {
	var pieces []*piece
	for _, bp := range o.Group {
		if bp.Extension {
			continue
		}
		dir, err := lifecycle.ReadBuildpackDir(o.LayersDir, bp)
		if err != nil {
			return nil, err
		}
		for _, layer := range dir.Layers {
			if !layer.Types().Launch {
				continue
			}
			p, err := buildpackPiece(o, layer, previous)
			if err != nil {
				return nil, fmt.Errorf("exporting layer %s: %w", layer, err)
			}
			pieces = append(pieces, p)
		}
	}
	return pieces, nil
}

func buildpackPiece(o Options, layer lifecycle.Layer, previous *previousImage) (*piece, error) {
	p := &piece{
		role:    roleBuildpack,
		id:      layer.String(),
		own:     &layer,
		history: fmt.Sprintf(historyBuildpack, layer.Name, layer.Buildpack.ID+"@"+layer.Buildpack.Version),
	}
	if !layer.Present {
		if layer.Types().Cache {
			return nil, fmt.Errorf("it is marked cache = true but has no contents; the buildpack must make it again")
		}
		return p, previous.take(p)
	}
	name := o.Places.Layers + "/" + lifecycle.EscapedID(layer.Buildpack.ID) + "/" + layer.Name
	return p, p.show(o, layer.Dir, name)
}

// sbomPiece is the launch part of the bill of materials, or nil when there is none.
func sbomPiece(o Options) (*piece, error) {
	if ok, err := lifecycle.IsRealDir(o.LayersDir, "sbom/launch"); err != nil || !ok {
		return nil, err
	}
	p := &piece{role: roleSBOM, id: "bill of materials", history: historySBOM}
	if err := p.show(o, filepath.Join(o.LayersDir, "sbom", "launch"), o.Places.Layers+"/sbom/launch"); err != nil {
		return nil, err
	}
	p.tree, p.scan = nil, nil // small, and written anew by each build
	return p, nil
}

// configPiece is the directory in which the launcher finds the processes.
func configPiece(o Options) (*piece, error) {
	ok, err := lifecycle.IsRealDir(o.LayersDir, "config")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s has no config directory: the build phase did not finish", o.LayersDir)
	}
	p := &piece{role: roleConfig, id: "launcher configuration", history: historyConfig}
	if err := p.show(o, filepath.Join(o.LayersDir, "config"), o.Places.Layers+"/config"); err != nil {
		return nil, err
	}
	p.tree, p.scan = nil, nil
	return p, nil
}

// hash gives the diffID of what source writes.
func hash(ctx context.Context, source store.Source) (v1.Hash, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(source(ctx, w)) }()
	defer r.Close()
	sum, _, err := v1.SHA256(r)
	return sum, err
}
