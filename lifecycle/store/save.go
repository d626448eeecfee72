package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
)

// Save stores an image or an index (v1.Image or v1.ImageIndex) under names, of which there may be none. Blobs that
// are there already are not written again. A layer blob that sparse (which may be nil) says is elsewhere stays absent.
func (s *Store) Save(ctx context.Context, image any, names []string, sparse func(v1.Layer) bool) (v1.Descriptor, error) {
	release, err := s.Pin()
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer release()
	for _, name := range names {
		if err := checkName(name); err != nil {
			return v1.Descriptor{}, err
		}
	}
	var d *v1.Descriptor
	switch i := image.(type) {
	case v1.Image:
		d, err = s.saveImage(ctx, i, sparse)
	case v1.ImageIndex:
		d, err = s.saveIndex(ctx, i, sparse)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", image)
	}
	if err == nil && len(names) > 0 {
		err = s.tag(*d, names)
	}
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("saving an image in the store: %w", err)
	}
	return plain(*d), nil
}

func (s *Store) saveImage(ctx context.Context, i v1.Image, sparse func(v1.Layer) bool) (*v1.Descriptor, error) {
	layers, err := i.Layers()
	if err != nil {
		return nil, err
	}
	group, layerCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, l := range layers {
		group.Go(func() error { return s.saveLayer(layerCtx, l, sparse) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	config, err := i.RawConfigFile()
	if err != nil {
		return nil, err
	}
	name, err := i.ConfigName()
	if err != nil {
		return nil, err
	}
	if err := s.PutBlob(ctx, bytes.NewReader(config), name, int64(len(config))); err != nil {
		return nil, err
	}
	d, err := s.saveManifest(ctx, i)
	if err != nil {
		return nil, err
	}
	if c, err := i.ConfigFile(); err == nil && c.OS != "" {
		d.Platform = &v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion}
	}
	return d, nil
}

// saveManifest stores the manifest, which comes last: who finds it finds what it names.
func (s *Store) saveManifest(ctx context.Context, m partial.Describable) (*v1.Descriptor, error) {
	d, err := partial.Descriptor(m)
	if err != nil {
		return nil, err
	}
	raw, ok := m.(partial.WithRawManifest)
	if !ok {
		return nil, errors.New("it has no manifest")
	}
	data, err := raw.RawManifest()
	if err != nil {
		return nil, err
	}
	return d, s.PutBlob(ctx, bytes.NewReader(data), d.Digest, int64(len(data)))
}

func (s *Store) saveLayer(ctx context.Context, l v1.Layer, sparse func(v1.Layer) bool) (err error) {
	d, err := l.Digest()
	if err != nil || s.HasBlob(d) || (sparse != nil && sparse(l)) {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	ctx, task := progress.Start(ctx, "saving layer "+d.Hex[:12], size)
	defer func() { task.End(err) }()
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	return s.PutBlob(ctx, task.Reader(r), d, size)
}

func (s *Store) saveIndex(ctx context.Context, i v1.ImageIndex, sparse func(v1.Layer) bool) (*v1.Descriptor, error) {
	m, err := i.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if err := s.saveMember(ctx, i, d, sparse); err != nil {
			return nil, fmt.Errorf("member %s of the index: %w", d.Digest, err)
		}
	}
	return s.saveManifest(ctx, i)
}

// saveMember stores what an index names.
func (s *Store) saveMember(ctx context.Context, i v1.ImageIndex, d v1.Descriptor, sparse func(v1.Layer) bool) error {
	switch {
	case d.MediaType.IsIndex():
		inner, err := i.ImageIndex(d.Digest)
		if err != nil {
			return err
		}
		_, err = s.saveIndex(ctx, inner, sparse)
		return err
	case d.MediaType.IsImage():
		inner, err := i.Image(d.Digest)
		if err != nil {
			return err
		}
		_, err = s.saveImage(ctx, inner, sparse)
		return err
	}
	other, ok := i.(interface {
		Layer(h v1.Hash) (v1.Layer, error)
	})
	if !ok {
		return nil // nothing gives it to us, and nothing here needs it
	}
	l, err := other.Layer(d.Digest)
	if err != nil {
		return err
	}
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	return s.PutBlob(ctx, io.LimitReader(r, d.Size+1), d.Digest, d.Size)
}
