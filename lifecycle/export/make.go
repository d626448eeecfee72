package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/native"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// The store's records of this package: which layer a tree gave, and what the files of a layer need.
const (
	recordKind = "export"
	needsKind  = "needs"
	// recordVersion is part of every key. Change it with anything that changes a layer's bytes or its needs.
	recordVersion = "3"
)

// tree is a directory that one or several pieces show.
type tree struct{ dir string }

// made is the record of the layer that a piece gave.
type made struct {
	DiffID string       `json:"diffID"`
	Found  native.Found `json:"found"`
}

// makeLayers makes every piece that is not there yet, several at a time. The pieces of one tree are made one after the
// other, so that the tree is looked at once before and once after.
func makeLayers(ctx context.Context, o Options, pieces []*piece) error {
	var order []*tree
	groups := map[*tree][]*piece{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, p := range pieces {
		switch {
		case p.layer != nil:
			progress.Note(ctx, "Reusing layer %s of the previous image", p.id)
			p.known = p.recallNeeds(o) || p.known
			o.ready(p)
		case p.tree == nil:
			group.Go(func() error { return within(p.id, makeSmall(ctx, o, p)) })
		default:
			if groups[p.tree] == nil {
				order = append(order, p.tree)
			}
			groups[p.tree] = append(groups[p.tree], p)
		}
	}
	for _, t := range order {
		group.Go(func() error { return makeTree(ctx, o, t, groups[t]) })
	}
	return group.Wait()
}

// within says which piece err is about.
func within(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("making the layer %s: %w", id, err)
}

// makeSmall makes a layer of which we know that reading it costs less than remembering it: it is hashed first, and
// compressed only when the store does not hold it.
func makeSmall(ctx context.Context, o Options, p *piece) error {
	diffID, err := hash(ctx, p.source)
	if err != nil {
		return err
	}
	p.diffID = diffID
	p.layer, err = o.Store.LayerByDiffID(diffID, o.Compression)
	if errors.Is(err, store.ErrNotFound) {
		p.layer, err = o.Store.Layer(ctx, p.source, store.LayerOptions{Need: store.Blob, Compression: o.Compression})
	}
	if err == nil {
		o.ready(p)
	}
	return err
}

// ready tells whoever wants to know that p's layer is there.
func (o Options) ready(p *piece) {
	if o.OnLayer != nil {
		o.OnLayer(p.layer)
	}
}

// makeTree makes the layers that show t. Layers that an unchanged tree gave before come from the store.
func makeTree(ctx context.Context, o Options, t *tree, pieces []*piece) error {
	before, err := archive.Glance(ctx, t.dir)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", t.dir, err)
	}
	state := before + "\n" + o.arch()
	var fresh []*piece
	for _, p := range pieces {
		if !recall(o, p, key(state, p)) {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	for _, p := range fresh {
		if err := within(p.id, makeFresh(ctx, o, p)); err != nil {
			return err
		}
	}
	after, settled, err := archive.Fingerprint(ctx, t.dir)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", t.dir, err)
	}
	if after != before {
		return fmt.Errorf("%s was changed by somebody while it was being exported; build again", t.dir)
	}
	if !settled {
		return nil
	}
	for _, p := range fresh {
		record := made{DiffID: p.diffID.String(), Found: native.Found{Needs: p.needs, Files: p.files}}
		if err := o.Store.SetRecord(recordKind, key(state, p), record); err != nil {
			return fmt.Errorf("remembering the layer %s: %w", p.id, err)
		}
	}
	return nil
}

// recall takes p from the store when a tree with this key gave its layer before, and tells whether it could.
func recall(o Options, p *piece, key string) bool {
	var record made
	if o.Store.Record(recordKind, key, &record) != nil {
		return false
	}
	diffID, err := v1.NewHash(record.DiffID)
	if err != nil {
		return false
	}
	layer, err := o.Store.LayerByDiffID(diffID, o.Compression)
	if err != nil {
		return false
	}
	p.layer, p.diffID, p.needs, p.files = layer, diffID, record.Found.Needs, record.Found.Files
	o.ready(p)
	return true
}

// makeFresh makes p by reading its files.
func makeFresh(ctx context.Context, o Options, p *piece) (err error) {
	ctx, task := progress.Start(ctx, "layer "+p.id, 0)
	defer func() { task.End(err) }()
	p.layer, err = o.Store.Layer(ctx, p.source, store.LayerOptions{Need: store.Blob, Compression: o.Compression})
	if err != nil {
		return err
	}
	if p.diffID, err = p.layer.DiffID(); err != nil {
		return err
	}
	o.ready(p)
	return p.findNeeds(ctx, o)
}

// findNeeds scans the files of p for what they need, unless that is known of a layer with the same diffID.
func (p *piece) findNeeds(ctx context.Context, o Options) error {
	if p.scan == nil || p.recallNeeds(o) {
		return nil
	}
	s := native.NewScanner(o.arch())
	if err := p.scan(ctx, s); err != nil {
		return fmt.Errorf("looking for what its executables need: %w", err)
	}
	found := s.Found()
	p.needs, p.files = found.Needs, found.Files
	return o.Store.SetRecord(needsKind, p.needsKey(o), found)
}

func (p *piece) needsKey(o Options) string {
	return recordVersion + "-" + o.arch() + "-" + p.diffID.Hex
}

// recallNeeds takes what the files of p need from the store, and tells whether it could.
func (p *piece) recallNeeds(o Options) bool {
	var found native.Found
	if o.Store.Record(needsKind, p.needsKey(o), &found) != nil {
		return false
	}
	p.needs, p.files = found.Needs, found.Files
	return true
}

// key names the layer that p gives when its tree is in this state.
func key(state string, p *piece) string {
	sum := sha256.Sum256([]byte(recordVersion + "\n" + state + "\n" + p.variant))
	return hex.EncodeToString(sum[:])
}
