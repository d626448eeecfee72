package dockerfile

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
)

// squash makes one layer of the layers over the base. It shows on any base what they show, since it takes away the same
// names.
func (b *builder) squash(ctx context.Context, own []*node) (v1.Layer, error) {
	r, err := b.view(ctx, own)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	lists := make([]*listing.Listing, len(own))
	for i, l := range r.layers {
		diffID, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		sum.Write([]byte(diffID.String()))
		if lists[i], err = b.listing(l); err != nil {
			return nil, err
		}
	}
	s := &squashed{rootfs: r, lists: lists}
	return b.Store.Layer(ctx, s.write, store.LayerOptions{Key: "squashed " + hex.EncodeToString(sum.Sum(nil)),
		Need: store.Blob, Compression: b.Compression})
}

// squashed is several layers as one.
type squashed struct {
	*rootfs
	lists []*listing.Listing
}

// write writes the layer: what the layers show, and what they take away from below them.
func (s *squashed) write(ctx context.Context, w io.Writer) error {
	names := map[string]bool{}
	for _, l := range s.lists {
		for _, name := range l.Names() {
			names[name] = true
		}
	}
	markers := s.markers()
	for name := range markers {
		names[name] = true
	}
	out := archive.NewWriter(w)
	links := map[string]string{} // the first name of a file, by its layer and its name there
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if markers[name] {
			if err := out.Add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, nil); err != nil {
				return err
			}
		} else if found := s.Lstat(name); found != nil {
			if err := s.entry(ctx, out, found, links); err != nil {
				return fmt.Errorf("writing /%s: %w", name, err)
			}
		}
	}
	return out.Close()
}

func (s *squashed) entry(ctx context.Context, out *archive.Writer, f *listing.Found, links map[string]string) error {
	if f.Type == tar.TypeReg {
		file := strconv.Itoa(f.Layer) + " " + cmp.Or(f.SameAs, f.Name)
		if first, ok := links[file]; ok {
			return out.Add(&tar.Header{Typeflag: tar.TypeLink, Name: f.Name, Linkname: first, Mode: f.Mode, Uid: f.UID, Gid: f.GID}, nil)
		}
		links[file] = f.Name
	}
	it := &item{Entry: f.Entry, from: s.rootfs, src: &f.Entry}
	it.SameAs = "" // what it was a link to may be gone
	return writeItem(ctx, out, it, it.header())
}

// markers are the names of the whiteouts and opaque markers that the layer needs.
func (s *squashed) markers() map[string]bool {
	gone, whiteouts := map[string]bool{}, map[string]bool{} // names of which nothing below shows, and why
	for _, l := range s.lists {
		for _, name := range l.Gone {
			gone[name], whiteouts[name] = true, true
		}
		for _, name := range l.Opaque {
			gone[name] = true
		}
		for i := range l.Entries {
			if !l.Entries[i].IsDir() {
				gone[l.Entries[i].Name] = true // a directory that is there now may have been a file in between
			}
		}
	}
	markers := map[string]bool{}
	for name := range gone {
		found := s.Lstat(name)
		switch {
		case found != nil && found.IsDir():
			markers[path.Join(name, ".wh..wh..opq")] = true
		case found == nil && whiteouts[name] && !s.hidden(name, gone):
			markers[path.Join(path.Dir(name), ".wh."+path.Base(name))] = true
		}
	}
	return markers
}

// hidden tells whether a directory above a name is gone itself, or a file now.
func (s *squashed) hidden(name string, gone map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		found := s.Lstat(dir)
		if found == nil && gone[dir] || found != nil && !found.IsDir() {
			return true
		}
	}
	return false
}

// squashHistory tells in the history that the layers over the base are one: the instructions made none of their own.
func squashHistory(config *v1.ConfigFile, st *state) error {
	of := 0
	if st.baseImage != nil {
		base, err := st.baseImage.ConfigFile()
		if err != nil {
			return err
		}
		of = len(base.History)
	}
	for i := of; i < len(config.History); i++ {
		config.History[i].EmptyLayer = true
	}
	config.History = append(config.History, v1.History{CreatedBy: "--squash", Comment: "the layer of all instructions above"})
	return nil
}
