package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// metadataName is the file and the label in which the reference lifecycle's caches keep their list of layers.
const metadataName = "io.buildpacks.lifecycle.cache.metadata"

// Places is where layers are in the tar streams of a Volume or an Image, and who owns them there. The zero value means
// /layers and the user of the built-in stacks.
type Places struct {
	Layers   string
	UID, GID int
}

func (p Places) withDefaults() Places {
	if p.Layers == "" {
		p.Layers = lifecycle.LayersDir
	}
	if p.UID == 0 && p.GID == 0 {
		p.UID, p.GID = lifecycle.UserID, lifecycle.GroupID
	}
	return p
}

// source writes the directory dir as the layer that shows it at the slash path name below the layers directory.
func (p Places) source(dir, name string) store.Source {
	name = p.Layers + "/" + name
	o := archive.TreeOptions{Name: name, UID: p.UID, GID: p.GID, Parents: archive.Parents(name, p.UID, p.GID)}
	return func(ctx context.Context, w io.Writer) error {
		tw := archive.NewWriter(w)
		if err := tw.Tree(ctx, dir, o); err != nil {
			return err
		}
		return tw.Close()
	}
}

// layerPath is the path of a layer below the layers directory.
func layerPath(buildpack, name string) string { return lifecycle.EscapedID(buildpack) + "/" + name }

// take extracts a cached layer to dir, which appears only when the whole stream had the diffID that it should.
func (p Places) take(ctx context.Context, layer Cached, r io.Reader, dir string) (err error) {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".restore-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTree(tmp)) }()
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	sum := sha256.New()
	stream := io.TeeReader(r, sum)
	err = archive.Extract(ctx, stream, root, archive.ExtractOptions{
		Strip:  strings.Count(p.Layers, "/") + 1,
		Owners: os.Geteuid() == 0,
		Keep:   func(name string) bool { return name == layer.Name || strings.HasPrefix(name, layer.Name+"/") },
	})
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // what comes after the end of the archive counts, too
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if got := sumOf(sum).String(); got != layer.SHA {
		return fmt.Errorf("%w: it is %s instead of %s", ErrDamaged, got, layer.SHA)
	}
	if ok, err := lifecycle.IsRealDir(tmp, layer.Name); err != nil || !ok {
		return errors.Join(fmt.Errorf("%w: its archive has no directory for it", ErrDamaged), err)
	}
	return rename(filepath.Join(tmp, layer.Name), dir)
}

func sumOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// tarred is what Save of a Volume or an Image puts away: directories by their path below the layers directory, and
// where their diffIDs are recorded.
type tarred struct {
	dir, name string
	known     string // the diffID, when the exporter has computed it
	record    func(diffID v1.Hash)
}

// toTar lists the directories of b that go into a cache, and the metadata in which they are recorded.
func toTar(b Built) ([]tarred, *lifecycle.CacheMetadata, error) {
	layers, metadata, err := b.layers()
	if err != nil {
		return nil, nil, err
	}
	var out []tarred
	for _, layer := range layers {
		entries := metadata.For(layer.Buildpack.ID).Layers
		out = append(out, tarred{
			dir: layer.Dir, name: layerPath(layer.Buildpack.ID, layer.Name), known: entries[layer.Name].SHA,
			record: func(diffID v1.Hash) {
				entry := entries[layer.Name]
				entry.SHA = diffID.String()
				entries[layer.Name] = entry
			},
		})
	}
	sbom, err := lifecycle.IsRealDir(b.LayersDir, "sbom/cache")
	if err != nil {
		return nil, nil, err
	}
	if sbom {
		out = append(out, tarred{
			dir: filepath.Join(b.LayersDir, "sbom", "cache"), name: "sbom/cache",
			record: func(diffID v1.Hash) { metadata.SBOM = &lifecycle.LayerSHA{SHA: diffID.String()} },
		})
	}
	return out, &metadata, nil
}
