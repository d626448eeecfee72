package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
)

// blobInfo is what is known about a layer's blob, whether or not the store holds it.
type blobInfo struct {
	Digest v1.Hash `json:"digest"`
	Size   int64   `json:"size"` // bytes
}

// pass is one reading of a layer's source, which makes everything that is wanted of it at once.
type pass struct {
	store       *Store
	need        Form
	compression Compression
	want        v1.Hash // the diffID that must come out; zero when it is not known yet

	diffID v1.Hash
	blob   *blobWriter
	tree   *temp
	bytes  int64 // sum of what the tree takes
}

// run reads src and makes what it gives visible.
func (p *pass) run(ctx context.Context, src Source) error {
	select {
	case p.store.making <- struct{}{}:
		defer func() { <-p.store.making }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	consumers := []func(context.Context, io.Reader) error{p.hash}
	if p.need&Blob != 0 {
		blob, err := p.store.newBlob()
		if err != nil {
			return err
		}
		defer blob.discard()
		p.blob = blob
		consumers = append(consumers, p.compress)
	}
	if p.need&Tree != 0 {
		tree, err := p.store.tempDir("tree")
		if err != nil {
			return err
		}
		defer p.store.discardDir(tree)
		p.tree = tree
		consumers = append(consumers, p.unpack)
	}
	if err := stream(ctx, src, consumers); err != nil {
		return err
	}
	if p.want != (v1.Hash{}) && p.want != p.diffID {
		return fmt.Errorf("making layer %s: its source gave %s this time: %w", p.want, p.diffID, ErrMismatch)
	}
	return p.keep(ctx)
}

// stream gives what src writes to all consumers.
func stream(ctx context.Context, src Source, consumers []func(context.Context, io.Reader) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	f := newFanout(inner, consumers...)
	srcErr := src(inner, f)
	if srcErr != nil {
		cancel() // what was read is no whole stream
	}
	err := f.Close()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case srcErr != nil && !errors.Is(srcErr, io.ErrClosedPipe):
		return srcErr
	case err == nil:
		return srcErr
	}
	return err
}

func (p *pass) hash(_ context.Context, r io.Reader) error {
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	p.diffID, p.bytes = hashOf(sum), n
	return err
}

func (p *pass) compress(_ context.Context, r io.Reader) error {
	z, err := p.compression.compress(p.blob)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, r); err != nil {
		abandon(z)
		return fmt.Errorf("compressing a layer: %w", err)
	}
	if err := z.Close(); err != nil {
		abandon(z)
		return fmt.Errorf("compressing a layer: %w", err)
	}
	return nil
}

func (p *pass) unpack(ctx context.Context, r io.Reader) error {
	dir := filepath.Join(p.tree.path, treeDir)
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // the container's root directory
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	o := archive.ExtractOptions{Limits: p.store.Limits, Whiteouts: archive.WhiteoutsOverlay, Owners: true, Times: true}
	if err := archive.Extract(ctx, r, root, o); err != nil {
		if errors.Is(err, archive.ErrLimit) {
			err = fmt.Errorf("%w (--max-unpacked raises it)", err)
		}
		return fmt.Errorf("unpacking a layer: %w", err)
	}
	return nil
}

// keep makes the results visible and records what is known of them.
func (p *pass) keep(ctx context.Context) error {
	if p.tree != nil {
		if err := p.store.keepTree(ctx, p.tree, p.diffID, p.bytes); err != nil {
			return err
		}
	}
	if p.blob == nil {
		return nil
	}
	info := blobInfo{p.blob.digest(), p.blob.size}
	path, err := p.store.blobPath(info.Digest)
	if err != nil {
		return err
	}
	if err := p.blob.commit(path); err != nil {
		return err
	}
	return p.store.SetRecord("blob", blobKey(p.diffID, p.compression), info)
}

func blobKey(diffID v1.Hash, c Compression) string {
	return compressor + " " + string(c) + " " + diffID.String()
}
