package native

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

// Listing is what matters of the files of a run image when something is to be started in it, by clean paths without the
// leading slash: directories, symbolic links, and files that may be executed.
type Listing map[string]Entry

// Entry is one file of a Listing.
type Entry struct {
	Dir bool `json:"dir,omitempty"`
	// Link is the target of a symbolic link.
	Link string `json:"link,omitempty"`
	// Script is the first line of an executable that is a script, after "#!".
	Script string `json:"script,omitempty"`
	// Gone tells that a layer takes the path away.
	Gone bool `json:"gone,omitempty"`
}

// recordListing is the kind of the records that keep the listings of layers, by diffID.
const recordListing = "listing"

const whiteout = ".wh."

// List gives the listing of an image with these layers, bottom first. Each layer is read once; its listing is kept in the
// store.
func List(ctx context.Context, st *store.Store, layers []v1.Layer) (Listing, error) {
	all := Listing{"": {Dir: true}}
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, fmt.Errorf("listing a layer: %w", err)
		}
		var one Listing
		key := "1 " + id.String() // change the number with what is kept
		err = st.Record(recordListing, key, &one)
		if errors.Is(err, store.ErrNotFound) {
			if one, err = listLayer(ctx, l); err == nil {
				err = st.SetRecord(recordListing, key, one)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("listing layer %s: %w", id, err)
		}
		all.cover(one)
	}
	return all, nil
}

// cover puts a layer on top.
func (l Listing) cover(top Listing) {
	for name, e := range top {
		if e.Gone {
			delete(l, name)
			for below := range l {
				if strings.HasPrefix(below, name+"/") {
					delete(l, below)
				}
			}
		}
	}
	for name, e := range top {
		if !e.Gone {
			l[name] = e
		}
	}
}

func listLayer(ctx context.Context, l v1.Layer) (Listing, error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return listTar(ctx, r)
}

func listTar(ctx context.Context, r io.Reader) (Listing, error) {
	found := Listing{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean("/" + h.Name)[1:]
		dir, base := path.Split(name)
		hidden, isWhiteout := strings.CutPrefix(base, whiteout)
		switch {
		case isWhiteout && strings.HasPrefix(hidden, whiteout): // an opaque directory; our bases have none
		case isWhiteout:
			found[dir+hidden] = Entry{Gone: true}
		case h.Typeflag == tar.TypeDir:
			found[name] = Entry{Dir: true}
		case h.Typeflag == tar.TypeSymlink:
			found[name] = Entry{Link: h.Linkname}
		case h.Typeflag == tar.TypeLink:
			if e, ok := found[path.Clean("/" + h.Linkname)[1:]]; ok {
				found[name] = e
			}
		case h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0:
			script, err := readScript(tr)
			if err != nil {
				return nil, err
			}
			found[name] = Entry{Script: script}
		}
	}
}

// maxScript is how much of a script's first line the kernel reads.
const maxScript = 256

// readScript gives the first line of a script, after "#!"; "" for any other file.
func readScript(r io.Reader) (string, error) {
	var start [maxScript]byte
	n, err := io.ReadFull(r, start[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	return scriptLine(start[:n]), nil
}

// scriptLine gives the interpreter and its argument of a file that begins with start; "" when it is no script.
func scriptLine(start []byte) string {
	line, ok := strings.CutPrefix(string(start), "#!")
	if !ok {
		return ""
	}
	line, _, _ = strings.Cut(line, "\n")
	if line = strings.Trim(line, " \t"); line == "" {
		line = " " // a script, of nobody
	}
	return strings.ToValidUTF8(line, "\uFFFD")
}
