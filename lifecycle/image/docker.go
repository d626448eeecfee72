package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// openArchive reads an archive of either form: one that holds an OCI layout as such, otherwise by its manifest.json.
func (c *Client) openArchive(ctx context.Context, ref Ref) (source, v1.Descriptor, error) {
	file, err := os.Open(ref.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	t, err := openTar(ctx, ref.Path, file, c.temp)
	if err != nil {
		_ = file.Close()
		return nil, v1.Descriptor{}, err
	}
	return c.openTarFiles(ctx, t, ref.Name)
}

func (c *Client) openTarFiles(ctx context.Context, t *tarFiles, name string) (source, v1.Descriptor, error) {
	if _, _, err := t.open("index.json"); err == nil {
		return openLayout(t, name)
	}
	return c.openSaved(ctx, t, name)
}

// dockerManifest is an entry of manifest.json, the table of contents of what docker save writes.
type dockerManifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// openSaved reads what docker save wrote before it wrote layouts. Such an archive has no manifest and its layers are
// usually not compressed; they are compressed into the store, and a manifest is made of what results.
func (c *Client) openSaved(ctx context.Context, t *tarFiles, name string) (source, v1.Descriptor, error) {
	var all []dockerManifest
	if err := readJSON(t, "manifest.json", &all); err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("%s is neither an OCI nor a docker archive: %w", t, err)
	}
	m, err := pickSaved(all, name)
	if err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("looking into %s: %w", t, err)
	}
	s := &savedSource{files: t, blobs: map[v1.Hash]string{}, store: c.Store}
	d, err := s.convert(ctx, m)
	if err != nil {
		return nil, d, fmt.Errorf("reading archive %s: %w", t, err)
	}
	if len(m.RepoTags) > 0 {
		d.Annotations = map[string]string{annotationContainerd: m.RepoTags[0]}
	}
	return s, d, nil
}

func pickSaved(all []dockerManifest, name string) (dockerManifest, error) {
	if name == "" && len(all) == 1 {
		return all[0], nil
	}
	var names []string
	for _, m := range all {
		for _, tag := range m.RepoTags {
			if name != "" && (tag == name || sameName(tag, name)) {
				return m, nil
			}
		}
		names = append(names, m.RepoTags...)
	}
	if name == "" {
		return dockerManifest{}, fmt.Errorf("there are %d images, say which one: %s", len(all), strings.Join(names, ", "))
	}
	return dockerManifest{}, fmt.Errorf("%w called %q; there is: %s", ErrNotFound, name, strings.Join(names, ", "))
}

// savedSource gives the converted form of an image in a docker archive.
type savedSource struct {
	files
	store    *store.Store
	raw      []byte
	blobs    map[v1.Hash]string   // files of the archive that are blobs as they are
	prepared map[v1.Hash]v1.Layer // layers that had to be compressed
}

func (s *savedSource) convert(ctx context.Context, m dockerManifest) (v1.Descriptor, error) {
	config, err := s.config(m)
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2}
	manifest.Config.MediaType = types.DockerConfigJSON
	manifest.Config.Digest, manifest.Config.Size = describe(config)
	s.blobs[manifest.Config.Digest] = m.Config
	parsed, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("parsing config %s: %w", m.Config, err)
	}
	if len(parsed.RootFS.DiffIDs) != len(m.Layers) {
		return v1.Descriptor{}, fmt.Errorf("the config has %d layers and manifest.json %d",
			len(parsed.RootFS.DiffIDs), len(m.Layers))
	}
	for i, path := range m.Layers {
		d, err := s.layer(ctx, path, parsed.RootFS.DiffIDs[i])
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("reading layer %s: %w", path, err)
		}
		manifest.Layers = append(manifest.Layers, d)
	}
	if s.raw, err = json.Marshal(manifest); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: manifest.MediaType}
	d.Digest, d.Size = describe(s.raw)
	return d, nil
}

func (s *savedSource) config(m dockerManifest) ([]byte, error) {
	rc, size, err := s.open(m.Config)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	if size > maxConfig {
		return nil, fmt.Errorf("config %s has %d bytes, more than %d", m.Config, size, maxConfig)
	}
	return io.ReadAll(rc)
}

// layer describes one layer: as it is when it is compressed, else compressed by the store.
func (s *savedSource) layer(ctx context.Context, path string, diffID v1.Hash) (v1.Descriptor, error) {
	rc, size, err := s.open(path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer rc.Close()
	var magic [4]byte
	_, _ = io.ReadFull(rc, magic[:]) // shorter files are no compressed ones
	d := v1.Descriptor{MediaType: types.DockerLayer, Size: size}
	switch compressionOf(magic[:]) {
	case "":
		return s.compress(ctx, path, v1.Descriptor{Digest: diffID, Size: size})
	case store.Zstd:
		d.MediaType = types.OCILayerZStd
	}
	again, _, err := s.open(path)
	if err != nil {
		return d, err
	}
	defer again.Close()
	if d.Digest, _, err = v1.SHA256(archive.Until(ctx, again)); err != nil {
		return d, err
	}
	s.blobs[d.Digest] = path
	return d, nil
}

// compress makes the blob of an uncompressed layer. Its bytes are checked against the config's diffID on the way,
// because the store remembers the result under that name.
func (s *savedSource) compress(ctx context.Context, path string, want v1.Descriptor) (v1.Descriptor, error) {
	if s.store == nil {
		s.blobs[want.Digest] = path
		want.MediaType = types.DockerUncompressedLayer
		return want, nil
	}
	write := func(ctx context.Context, w io.Writer) error {
		rc, _, err := s.open(path)
		if err != nil {
			return err
		}
		defer rc.Close()
		_, err = io.Copy(w, archive.Until(ctx, verify(rc, want, s.String())))
		return err
	}
	l, err := s.store.Layer(ctx, write, store.LayerOptions{Key: "diff:" + want.Digest.String(), Need: store.Blob})
	if err != nil {
		return want, err
	}
	d := v1.Descriptor{MediaType: types.DockerLayer}
	if d.Digest, err = l.Digest(); err != nil {
		return d, err
	}
	if d.Size, err = l.Size(); err != nil {
		return d, err
	}
	if s.prepared == nil {
		s.prepared = map[v1.Hash]v1.Layer{}
	}
	s.prepared[d.Digest] = l
	return d, nil
}

func (s *savedSource) manifest(_ context.Context, _ v1.Descriptor) ([]byte, error) { return s.raw, nil }

func (s *savedSource) blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if l := s.prepared[d.Digest]; l != nil {
		return l.Compressed()
	}
	rc, _, err := s.open(s.blobs[d.Digest])
	if err != nil {
		return nil, fmt.Errorf("reading blob %s of %s: %w", d.Digest, s.files, err)
	}
	return verify(rc, d, s.String()), nil
}
