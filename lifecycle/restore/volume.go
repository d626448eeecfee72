package restore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
)

// maxMetadata bounds the list of layers of a Volume or an Image in bytes.
const maxMetadata = 64 << 20

// Volume is a cache in the reference lifecycle's form (its -cache-dir): one uncompressed tar file per layer, named after
// its diffID, in the directory committed. A new state is made in the directory staging, which then takes its place.
type Volume struct {
	dir    string
	places Places

	mu   sync.Mutex
	good map[string]bool // diffIDs of tar files that were read whole and are what they should be
}

var _ Cache = (*Volume)(nil)

// OpenVolume opens the cache in dir, which must exist.
func OpenVolume(dir string, p Places) (*Volume, error) {
	v := &Volume{dir: dir, places: p.withDefaults(), good: map[string]bool{}}
	if _, err := os.Stat(v.path("committed")); errors.Is(err, fs.ErrNotExist) {
		// A process that died between the two renames of commit left the old state here.
		err := os.Rename(v.path("committed-backup"), v.path("committed"))
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Mkdir(v.path("committed"), 0o755)
		}
		if err != nil {
			return nil, fmt.Errorf("opening the cache: %w", err)
		}
	}
	err := errors.Join(os.RemoveAll(v.path("committed-backup")), os.RemoveAll(v.path("staging")))
	if err != nil {
		return nil, fmt.Errorf("tidying the cache: %w", err)
	}
	return v, nil
}

func (v *Volume) path(parts ...string) string {
	return filepath.Join(append([]string{v.dir}, parts...)...)
}

// Metadata implements Cache.
func (v *Volume) Metadata(context.Context) (lifecycle.CacheMetadata, error) {
	var m lifecycle.CacheMetadata
	f, err := os.Open(v.path("committed", metadataName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, maxMetadata)).Decode(&m) != nil {
		return lifecycle.CacheMetadata{}, nil
	}
	return m, nil
}

// open opens the tar file of a layer.
func (v *Volume) open(sha string) (io.ReadCloser, error) {
	diffID, err := v1.NewHash(sha)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	f, err := os.Open(v.path("committed", diffID.String()+".tar"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return f, err
}

// Take implements Cache.
func (v *Volume) Take(ctx context.Context, layer Cached, dir string) error {
	f, err := v.open(layer.SHA)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := v.places.take(ctx, layer, f, dir); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.good[layer.SHA] = true
	return nil
}

// SBOM implements Cache.
func (v *Volume) SBOM(ctx context.Context, dir string) error {
	m, err := v.Metadata(ctx)
	if err != nil || m.SBOM == nil || m.SBOM.SHA == "" {
		return err
	}
	return sbomFrom(ctx, func() (io.ReadCloser, error) { return v.open(m.SBOM.SHA) }, v.places, dir)
}

// sbomFrom extracts the cached bill of materials so that the directories of buildpacks are directly below dir.
func sbomFrom(ctx context.Context, open func() (io.ReadCloser, error), p Places, dir string) error {
	tmp := dir + ".tmp"
	if err := extractSBOM(ctx, open, p.Layers+"/sbom/cache", tmp); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(tmp, "cache"), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Save implements Cache. The layers stay in b.LayersDir.
func (v *Volume) Save(ctx context.Context, b Built) error {
	dirs, metadata, err := toTar(b)
	if err != nil {
		return fmt.Errorf("caching the layers: %w", err)
	}
	if err := os.RemoveAll(v.path("staging")); err != nil {
		return fmt.Errorf("tidying the cache: %w", err)
	}
	if err := os.Mkdir(v.path("staging"), 0o755); err != nil {
		return fmt.Errorf("caching the layers: %w", err)
	}
	for _, d := range dirs {
		diffID, err := v.stage(ctx, d)
		if err != nil {
			return fmt.Errorf("caching %s: %w", d.name, err)
		}
		d.record(diffID)
	}
	data, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("writing the cache's list of layers: %w", err)
	}
	if err := writeSynced(v.path("staging", metadataName), data); err != nil {
		return fmt.Errorf("writing the cache's list of layers: %w", err)
	}
	return v.commit()
}

// stage puts the tar file of a directory into staging, or links it when the cache has it already.
func (v *Volume) stage(ctx context.Context, d tarred) (v1.Hash, error) {
	if diffID, err := v1.NewHash(d.known); err == nil && v.reuse(diffID) {
		return diffID, nil
	}
	f, err := os.CreateTemp(v.path("staging"), ".layer-*")
	if err != nil {
		return v1.Hash{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if err := v.places.source(d.dir, d.name)(ctx, io.MultiWriter(f, sum)); err != nil {
		return v1.Hash{}, err
	}
	if err := f.Close(); err != nil {
		return v1.Hash{}, err
	}
	diffID := sumOf(sum)
	if err := os.Chmod(f.Name(), 0o644); err != nil { //nolint:gosec // other users of the cache read it
		return v1.Hash{}, err
	}
	return diffID, os.Rename(f.Name(), v.path("staging", diffID.String()+".tar"))
}

// reuse links the tar file of a layer from the committed state, if Take found it good, and tells whether it could.
func (v *Volume) reuse(diffID v1.Hash) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.good[diffID.String()] {
		return false
	}
	file := diffID.String() + ".tar"
	err := os.Link(v.path("committed", file), v.path("staging", file))
	return err == nil || errors.Is(err, fs.ErrExist)
}

// commit puts staging in the place of committed.
func (v *Volume) commit() error {
	if err := os.Rename(v.path("committed"), v.path("committed-backup")); err != nil {
		return fmt.Errorf("committing the cache: %w", err)
	}
	if err := os.Rename(v.path("staging"), v.path("committed")); err != nil {
		return errors.Join(fmt.Errorf("committing the cache: %w", err),
			os.Rename(v.path("committed-backup"), v.path("committed")))
	}
	if err := os.RemoveAll(v.path("committed-backup")); err != nil {
		return fmt.Errorf("tidying the cache: %w", err)
	}
	return nil
}
