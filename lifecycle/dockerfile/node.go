package dockerfile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// node is one layer of a root filesystem. It is known by its key, and made when somebody needs it. Instructions that
// mean the same layer share it, also those of different stages.
type node struct {
	b *builder
	// key names what the layer is made from, everything below it included.
	key string
	// below is what the layer lies on, bottom first.
	below []*node
	// base is the layer of a base image; then there is nothing to make.
	base v1.Layer
	// make makes the layer. The directory, if any, shows what it holds, in overlayfs's form, until the build ends; then
	// the layer itself is waited for with wait.
	make func(ctx context.Context, n *node) (made, error)
	// where is the instruction, for errors.
	where []parser.Range
	// fresh forbids to take the layer from the cache.
	fresh bool

	mu   sync.Mutex
	done bool
	made made
	err  error
}

// made is a layer that was made, or is being made from a directory.
type made struct {
	dir  string // "" when only the store can tell
	wait func() (v1.Layer, error)
	// foreign is where the layer is, as long as nobody has looked into it.
	foreign *foreignLayer
}

// start makes the layer unless it is cached; it does not wait for it to be packed.
func (n *node) start(ctx context.Context) (made, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.done {
		n.made, n.err = n.find(ctx)
		n.done = n.err == nil || ctx.Err() == nil
	}
	return n.made, n.err
}

func (n *node) find(ctx context.Context) (made, error) {
	if n.base != nil {
		return ready(n.base), nil
	}
	if l := n.cached(ctx); l != nil {
		return ready(l), nil
	}
	if f := n.foreign(); f != nil {
		m := ready(f.layer)
		m.foreign = f
		return m, nil
	}
	return n.makeNow(ctx)
}

func (n *node) makeNow(ctx context.Context) (made, error) {
	m, err := n.make(ctx, n)
	return m, located(n.b.File.Name, err, n.where)
}

// here is start for who looks into the layer: one in another cache is brought here, and made when it is not what that
// cache says.
func (n *node) here(ctx context.Context) (made, error) {
	m, err := n.start(ctx)
	if err != nil || m.foreign == nil {
		return m, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil || n.made.foreign == nil {
		return n.made, n.err
	}
	l, err := n.adopt(ctx, n.made.foreign)
	if err == nil {
		l, err = n.b.compressed(ctx, l, n.b.Compression)
	}
	switch {
	case err == nil:
		n.made = ready(l)
	case ctx.Err() != nil:
		return made{}, context.Cause(ctx)
	default:
		progress.Warn(ctx, "a layer of the cache %s is not used: %v", n.made.foreign.from, err)
		n.made, n.err = n.makeNow(ctx)
		n.done = n.err == nil || ctx.Err() == nil
	}
	return n.made, n.err
}

// remember lets later builds find the layer that was made.
func (n *node) remember(l v1.Layer) error {
	diffID, err := l.DiffID()
	if err != nil {
		return err
	}
	return n.b.Store.SetRecord(recordLayer, n.key, layerRecord{DiffID: diffID, Made: time.Now().UTC()})
}

// isFresh tells whether a chain has layers that may not come from the cache.
func isFresh(chain []*node) bool { return len(chain) > 0 && chain[len(chain)-1].fresh }

func ready(l v1.Layer) made { return made{wait: func() (v1.Layer, error) { return l, nil }} }

// read gives the layer, to look into it.
func (n *node) read(ctx context.Context) (v1.Layer, error) {
	m, err := n.here(ctx)
	if err != nil {
		return nil, err
	}
	return m.wait()
}

// force gives the layer itself.
func (n *node) force(ctx context.Context) (v1.Layer, error) {
	m, err := n.start(ctx)
	if err != nil {
		return nil, err
	}
	if m.foreign != nil && m.foreign.compression != cmp.Or(n.b.Compression, store.Gzip) {
		return n.read(ctx)
	}
	return m.wait()
}

// dir gives a directory, in overlayfs's form, that shows what the layer holds.
func (n *node) dir(ctx context.Context) (string, error) {
	m, err := n.here(ctx)
	if err != nil || m.dir != "" {
		return m.dir, err
	}
	l, err := m.wait()
	if err != nil {
		return "", err
	}
	return n.b.tree(ctx, l)
}

// recordLayer is the layer that a key gave.
const recordLayer = "dockerfile-layer"

type layerRecord struct {
	DiffID v1.Hash   `json:"diffID"`
	Made   time.Time `json:"made"`
	// Blob is the blob of a layer that another cache had.
	Blob *v1.Descriptor `json:"blob,omitempty"`
}

// cached gives the layer that the key gave before, when its blob is here.
func (n *node) cached(ctx context.Context) v1.Layer {
	var known layerRecord
	st := n.b.Store
	if n.fresh || st.Record(recordLayer, n.key, &known) != nil || n.b.tooOld(known.Made) {
		return nil
	}
	if l, err := st.LayerByDiffID(known.DiffID, n.b.Compression); err == nil {
		return l
	}
	candidates := []v1.Layer{}
	if known.Blob != nil && st.HasBlob(known.Blob.Digest) {
		candidates = append(candidates, storedLayer(st, known.DiffID, *known.Blob))
	}
	for _, c := range []store.Compression{store.Gzip, store.Zstd, store.None} {
		if l, err := st.LayerByDiffID(known.DiffID, c); err == nil {
			candidates = append(candidates, l)
		}
	}
	for _, l := range candidates {
		if l, err := n.b.compressed(ctx, l, n.b.Compression); err == nil {
			return l
		}
	}
	return nil
}

// chained names a step over what is below it.
func chained(below []*node, step ...any) (string, error) {
	over := ""
	if len(below) > 0 {
		over = below[len(below)-1].key
	}
	text, err := json.Marshal(append([]any{keyVersion, over}, step...))
	if err != nil {
		return "", fmt.Errorf("naming a step: %w", err)
	}
	sum := sha256.Sum256(text)
	return "dockerfile " + hex.EncodeToString(sum[:]), nil
}

// keyVersion changes when the same instruction gives another layer than before.
const keyVersion = 4

// view gives what a chain shows. It makes the layers that are not there.
func (b *builder) view(ctx context.Context, chain []*node) (*rootfs, error) {
	layers := make([]v1.Layer, len(chain))
	lists := make([]*listing.Listing, len(chain))
	for i, n := range chain {
		l, err := n.read(ctx)
		if err != nil {
			return nil, err
		}
		layers[i] = l
	}
	var group errgroup.Group
	group.SetLimit(4)
	for i := range layers {
		group.Go(func() (err error) {
			lists[i], err = b.listing(layers[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &rootfs{b: b, chain: chain, layers: layers, View: listing.Over(lists...)}, nil
}

const recordListing = "listing"

// listing tells what is in a layer, reading it once in the store's life, and the record of that once in a build.
func (b *builder) listing(l v1.Layer) (*listing.Listing, error) {
	diffID, err := l.DiffID()
	if err != nil {
		return nil, err
	}
	read, _ := b.listings.LoadOrStore(diffID, sync.OnceValues(func() (*listing.Listing, error) {
		list, err := b.readListing(l, diffID)
		if err == nil {
			listing.Over(list) // makes what lookups need, which several goroutines must not do at once
		}
		return list, err
	}))
	return read.(func() (*listing.Listing, error))() //nolint:forcetypeassert // nothing else is stored
}

func (b *builder) readListing(l v1.Layer, diffID v1.Hash) (*listing.Listing, error) {
	var known listing.Listing
	err := b.Store.Record(recordListing, diffID.String(), &known)
	if err == nil {
		return &known, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	r, err := l.Uncompressed()
	if err != nil {
		return nil, fmt.Errorf("reading layer %s: %w", diffID, err)
	}
	read, err := listLayer(r, diffID, b.Store.Limits)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("reading layer %s: %w", diffID, err)
	}
	return read, b.Store.SetRecord(recordListing, diffID.String(), read)
}

// topFirst orders directories for overlayfs, which wants each only once: the topmost stays.
func topFirst(bottomFirst []string) []string {
	var out []string
	for _, dir := range slices.Backward(bottomFirst) {
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}
