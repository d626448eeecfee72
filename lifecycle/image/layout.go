package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The annotations that name an image in a layout's index.json.
const (
	annotationRefName    = "org.opencontainers.image.ref.name"
	annotationContainerd = "io.containerd.image.name"
)

// layoutSource reads an OCI image layout.
type layoutSource struct{ files }

func openLayoutDir(ref Ref) (source, v1.Descriptor, error) {
	return openLayout(dirFiles(ref.Path), ref.Name)
}

// openLayout finds the manifest called name in a layout; a layout with one manifest needs no name.
func openLayout(f files, name string) (source, v1.Descriptor, error) {
	var index v1.IndexManifest
	if err := readJSON(f, "index.json", &index); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s is no OCI image layout: %w", ErrNotFound, f, err)
		}
		return nil, v1.Descriptor{}, err
	}
	d, err := pick(index.Manifests, name)
	if err != nil {
		return nil, d, fmt.Errorf("looking into %s: %w", f, err)
	}
	return &layoutSource{f}, d, nil
}

func pick(manifests []v1.Descriptor, name string) (v1.Descriptor, error) {
	if name == "" && len(manifests) == 1 {
		return manifests[0], nil
	}
	var names []string
	for _, d := range manifests {
		tag, full := d.Annotations[annotationRefName], d.Annotations[annotationContainerd]
		if name != "" && (tag == name || sameName(full, name) || sameName(tag, name) || d.Digest.String() == name) {
			return d, nil
		}
		if shown := firstNonEmpty(full, tag, d.Digest.String()); len(names) < 20 {
			names = append(names, shown)
		}
	}
	switch {
	case len(manifests) == 0:
		return v1.Descriptor{}, fmt.Errorf("%w: it is empty", ErrNotFound)
	case name == "":
		return v1.Descriptor{}, fmt.Errorf("there are %d images, say which one: %s",
			len(manifests), strings.Join(names, ", "))
	}
	return v1.Descriptor{}, fmt.Errorf("%w called %q; there is: %s", ErrNotFound, name, strings.Join(names, ", "))
}

func firstNonEmpty(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// sameName tells whether two image names mean the same with the defaults that docker gives to what is left out.
func sameName(a, b string) bool {
	x, errX := name.ParseReference(a, name.WeakValidation)
	y, errY := name.ParseReference(b, name.WeakValidation)
	return errX == nil && errY == nil && x.Name() == y.Name()
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (s *layoutSource) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return readAll(ctx, s, d, maxManifest)
}

func (s *layoutSource) blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	rc, _, err := s.open(blobPath(d.Digest))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s of %s: %w", d.Digest, s.files, err)
	}
	return verify(rc, d, s.String()), nil
}
