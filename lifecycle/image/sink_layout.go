package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/archive"
)

const layoutMarker = `{"imageLayoutVersion":"1.0.0"}`

// layoutSink publishes to an OCI image layout in a directory, beside what is in it already. Without a name the image
// becomes the layout's only one without a name.
type layoutSink struct {
	dir   string
	names []string
}

func (s *layoutSink) check(context.Context) error { return checkDir(s.dir) }

// checkDir tries to make a file in dir, or in the nearest directory above it that exists.
func checkDir(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is no directory", dir)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".s2i-*")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

func (s *layoutSink) publish(ctx context.Context, m manifest) (v1.Hash, error) {
	p, err := collect(m)
	if err == nil {
		err = p.toOCI()
	}
	if err == nil {
		err = s.write(ctx, p)
	}
	if err != nil {
		return v1.Hash{}, err
	}
	return p.top().Digest, nil
}

func (s *layoutSink) write(ctx context.Context, p *parts) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	unlock, err := lockDir(filepath.Join(s.dir, "blobs"), syscall.LOCK_SH) // until the index has them, no blob is removed
	if err != nil {
		return err
	}
	defer unlock()
	g, blobCtx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, b := range p.blobs {
		g.Go(func() error { return s.writeBlob(blobCtx, b.desc, b.open) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, d := range p.manifests {
		if err := s.writeBlob(ctx, d, blobPart{data: p.raw[d.Digest]}.open); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(s.dir, "oci-layout"), []byte(layoutMarker)); err != nil {
		return err
	}
	return s.updateIndex(describeTop(p))
}

// open gives the bytes of the blob.
func (b blobPart) open() (io.ReadCloser, error) {
	if b.layer == nil {
		return bytesReader(b.data), nil
	}
	rc, err := b.layer.Compressed()
	if err != nil {
		return nil, fmt.Errorf("reading layer %s: %w", b.desc.Digest, err)
	}
	if f, ok := rc.(*os.File); ok { // a blob of the store, which has its name from its digest
		return f, nil
	}
	return verify(rc, b.desc, "the layer"), nil
}

// describeTop is the entry of an image or an index in index.json; an image's platform is stated there.
func describeTop(p *parts) v1.Descriptor {
	d := p.top()
	if d.MediaType.IsImage() && len(p.images) == 1 {
		if config, err := p.images[0].ConfigFile(); err == nil && config.Architecture != "" {
			d.Platform = config.Platform()
		}
	}
	return d
}

func (s *layoutSink) writeBlob(ctx context.Context, d v1.Descriptor, open func() (io.ReadCloser, error)) error {
	path := filepath.Join(s.dir, filepath.FromSlash(blobPath(d.Digest)))
	if info, err := os.Stat(path); err == nil && info.Size() == d.Size {
		return nil
	}
	rc, err := open()
	if err != nil {
		return err
	}
	defer rc.Close()
	return atomically(path, func(w *os.File) error {
		if f, ok := rc.(*os.File); ok {
			return copyFile(ctx, w, f, d.Size)
		}
		_, err := io.Copy(w, archive.Until(ctx, rc))
		return err
	})
}

// copyStep is how much of a file is copied before it is asked whether to go on.
const copyStep = 64 << 20

// copyFile leaves the copying to the kernel, which may not have to copy at all.
func copyFile(ctx context.Context, to, from *os.File, size int64) error {
	for left := size; left > 0; left -= copyStep {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := io.CopyN(to, from, min(left, copyStep)); err != nil {
			return fmt.Errorf("copying %s: %w", from.Name(), err)
		}
	}
	return nil
}

// updateIndex enters the image into index.json under each name, in the place of what had the name.
func (s *layoutSink) updateIndex(d v1.Descriptor) error {
	unlock, err := lockDir(s.dir, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(s.dir, "index.json")
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	err = readJSON(dirFiles(s.dir), "index.json", &index)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index.Manifests = enter(index.Manifests, d, s.names)
	data, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, data)
}

func enter(manifests []v1.Descriptor, d v1.Descriptor, names []string) []v1.Descriptor {
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		kept := make([]v1.Descriptor, 0, len(manifests)+1)
		for _, old := range manifests {
			if old.Annotations[annotationRefName] != name {
				kept = append(kept, old)
			}
		}
		entry := *d.DeepCopy()
		if name != "" {
			entry.Annotations = map[string]string{annotationRefName: name}
		}
		manifests = append(kept, entry)
	}
	return manifests
}

// lockDir takes a lock of a directory (flock(2)), which goes with the process.
func lockDir(dir string, how int) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}

func writeFile(path string, data []byte) error {
	return atomically(path, func(w *os.File) error {
		_, err := w.Write(data)
		return errors.Join(err, w.Sync())
	})
}

// atomically writes a file so that at path there is always either what was there before or all that write wrote. It
// does not wait for the disk, which would take as long as the rest.
func atomically(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".s2i-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err = write(f); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
