package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
)

// archiveSink publishes to a tar file that is both: an OCI image layout, and what docker load reads, whose
// manifest.json points into the layout's blobs. Entries are sorted and carry a fixed time, so equal images give equal
// files.
type archiveSink struct {
	path  string
	names []string
}

func (s *archiveSink) check(context.Context) error {
	if info, err := os.Stat(s.path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory", s.path)
	}
	dir := filepath.Dir(s.path)
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	return checkDir(dir)
}

func (s *archiveSink) publish(ctx context.Context, m manifest) (v1.Hash, error) {
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

func (s *archiveSink) write(ctx context.Context, p *parts) error {
	write := func(w io.Writer) error { return writeArchive(ctx, w, p, s.names) }
	info, err := os.Stat(s.path)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(s.path, os.O_WRONLY, 0) // a pipe or a terminal: nothing to replace
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomically(s.path, func(f *os.File) error { return write(f) })
}

// archiveFile is one entry of the archive.
type archiveFile struct {
	size int64
	open func() (io.ReadCloser, error)
}

func dataFile(data []byte) archiveFile {
	return archiveFile{int64(len(data)), func() (io.ReadCloser, error) { return bytesReader(data), nil }}
}

func bytesReader(data []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(data)) }

// writeArchive writes the parts of an image or an index, called names, as one tar stream.
func writeArchive(ctx context.Context, w io.Writer, p *parts, names []string) error {
	files, err := archiveFiles(p, names)
	if err != nil {
		return err
	}
	tw := archive.NewWriter(w)
	// With entries of their own: tools that make missing directories want to give them to root.
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := tw.Add(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}, nil); err != nil {
			return fmt.Errorf("writing %s to the archive: %w", dir, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeEntry(ctx, tw, path, files[path]); err != nil {
			return fmt.Errorf("writing %s to the archive: %w", path, err)
		}
	}
	return tw.Close()
}

func writeEntry(ctx context.Context, tw *archive.Writer, path string, f archiveFile) error {
	rc, err := f.open()
	if err != nil {
		return err
	}
	defer rc.Close()
	h := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: f.size, Mode: 0o644}
	return tw.Add(h, archive.Until(ctx, rc))
}

func archiveFiles(p *parts, names []string) (map[string]archiveFile, error) {
	files := map[string]archiveFile{"oci-layout": dataFile([]byte(layoutMarker))}
	for _, b := range p.blobs {
		files[blobPath(b.desc.Digest)] = archiveFile{b.desc.Size, b.open}
	}
	for _, d := range p.manifests {
		files[blobPath(d.Digest)] = dataFile(p.raw[d.Digest])
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: archiveEntries(p, names)}
	data, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	files["index.json"] = dataFile(data)
	saved, err := savedManifest(p, names)
	if err != nil {
		return nil, err
	}
	if data, err = json.Marshal(saved); err != nil {
		return nil, err
	}
	files["manifest.json"] = dataFile(data)
	return files, nil
}

// archiveEntries lists the image in index.json once per name, in containerd's form and in that of OCI tools.
func archiveEntries(p *parts, names []string) []v1.Descriptor {
	d := describeTop(p)
	if len(names) == 0 {
		return []v1.Descriptor{d}
	}
	var entries []v1.Descriptor
	for _, n := range names {
		entry := *d.DeepCopy()
		entry.Annotations = map[string]string{annotationRefName: n}
		if tag, err := name.NewTag(n, name.WeakValidation); err == nil {
			entry.Annotations[annotationRefName] = tag.TagStr()
			entry.Annotations[annotationContainerd] = dockerName(tag)
		}
		entries = append(entries, entry)
	}
	return entries
}

// dockerName is the full name of a tag as docker and containerd write it.
func dockerName(tag name.Tag) string {
	return strings.Replace(tag.Name(), name.DefaultRegistry+"/", "docker.io/", 1)
}

// savedManifest is the archive's manifest.json. It can only list images, so of an index it lists the one for this
// machine's platform or, when there is none, the first.
func savedManifest(p *parts, names []string) ([]dockerManifest, error) {
	if len(p.images) == 0 {
		return []dockerManifest{}, nil
	}
	img := p.images[0]
	for _, other := range p.images {
		if checkPlatform(other, withDefaults(lifecycle.Target{})) == nil {
			img = other
			break
		}
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	entry := dockerManifest{Config: blobPath(m.Config.Digest), RepoTags: []string{}, Layers: []string{}}
	for _, l := range m.Layers {
		entry.Layers = append(entry.Layers, blobPath(l.Digest))
	}
	for _, n := range names {
		if tag, err := name.NewTag(n, name.WeakValidation); err == nil {
			entry.RepoTags = append(entry.RepoTags, shortName(n, tag))
		}
	}
	return []dockerManifest{entry}, nil
}

// shortName is the name as written, with its tag.
func shortName(written string, tag name.Tag) string {
	if !strings.HasSuffix(written, ":"+tag.TagStr()) {
		written += ":" + tag.TagStr()
	}
	return written
}
