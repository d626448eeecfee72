package dockerfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/image"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// LabelCache is the label of an image that makes it a cache: it tells which of its layers a key stands for. What is
// behind --cache-from is an image with this label, whether it was made to be a cache or to be run.
const LabelCache = "io.s2i.cache"

// cacheRecords is the value of LabelCache.
type cacheRecords struct {
	Version int `json:"version"`
	// Layers are the layers by key; the image has those that it names.
	Layers map[string]cacheLayer `json:"layers"`
	// Contents are the digests of what stages hold at paths that were copied, so that an unchanged COPY --from is found
	// without the stage.
	Contents map[string]string `json:"contents,omitempty"`
}

type cacheLayer struct {
	DiffID v1.Hash    `json:"diffID"`
	Made   *time.Time `json:"made,omitempty"`
}

// cacheVersion is that of the label's form. What keys mean has a version of its own, which is in them.
const cacheVersion = 1

// Bounds of a cache that was written elsewhere.
const (
	maxCacheLabel  = 16 << 20 // bytes
	maxCacheImages = 32       // of an index
)

// foreign is what the caches of --cache-from hold.
type foreign struct {
	layers   map[string]*foreignLayer
	contents map[string]string
}

// foreignLayer is a layer in a cache of --cache-from. Nothing of it is fetched before it is needed.
type foreignLayer struct {
	layer       v1.Layer
	compression store.Compression
	made        time.Time
	from        image.Ref
}

// readCaches reads the caches of Options.CacheFrom. One that cannot be read is as good as none.
func readCaches(ctx context.Context, o Options) *foreign {
	all := &foreign{layers: map[string]*foreignLayer{}, contents: map[string]string{}}
	found := make([]foreign, len(o.CacheFrom))
	var group errgroup.Group
	for i, ref := range o.CacheFrom {
		group.Go(func() error {
			err := found[i].read(ctx, o.Images, ref)
			if errors.Is(err, image.ErrNotFound) {
				progress.Note(ctx, "there is no cache %s yet", ref)
			} else if err != nil {
				progress.Warn(ctx, "nothing is taken from the cache %s: %v", ref, err)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are warnings
	for _, one := range found {
		merge(all.layers, one.layers)
		merge(all.contents, one.contents)
	}
	return all
}

// merge adds what is not there yet.
func merge[V any](to, from map[string]V) {
	for key, value := range from {
		if _, there := to[key]; !there {
			to[key] = value
		}
	}
}

// read reads a cache: the label of an image, or of all images of an index.
func (f *foreign) read(ctx context.Context, images *image.Client, ref image.Ref) (err error) {
	ctx, task := progress.Start(ctx, "reading cache "+ref.String(), 0)
	defer func() { task.End(err) }()
	f.layers, f.contents = map[string]*foreignLayer{}, map[string]string{}
	found, err := images.Get(ctx, ref)
	if err != nil {
		return err
	}
	labelled := false
	for _, img := range imagesOf(found) {
		config, err := img.ConfigFile()
		if err != nil {
			return fmt.Errorf("reading its configuration: %w", err)
		}
		if text := config.Config.Labels[LabelCache]; text != "" {
			labelled = true
			if err := f.add(img, config, text, ref); err != nil {
				return err
			}
		}
	}
	if !labelled {
		return errors.New("it is an image without a cache (--cache-to type=inline puts one into an image)")
	}
	return nil
}

func imagesOf(found any) []v1.Image {
	if img, ok := found.(v1.Image); ok {
		return []v1.Image{img}
	}
	index, ok := found.(v1.ImageIndex)
	if !ok {
		return nil
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil
	}
	var out []v1.Image
	for _, d := range manifest.Manifests {
		if img, err := index.Image(d.Digest); err == nil && d.MediaType.IsImage() && len(out) < maxCacheImages {
			out = append(out, img)
		}
	}
	return out
}

// add takes over what one image's label says, as far as the image bears it out.
func (f *foreign) add(img v1.Image, config *v1.ConfigFile, text string, ref image.Ref) error {
	if len(text) > maxCacheLabel {
		return fmt.Errorf("its records have %d bytes, more than %d", len(text), maxCacheLabel)
	}
	var records cacheRecords
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		return fmt.Errorf("reading its records: %w", err)
	}
	if records.Version != cacheVersion {
		return fmt.Errorf("its records have the form %d, which this version of s2i does not know", records.Version)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("reading its manifest: %w", err)
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return fmt.Errorf("it has %d layers, but its configuration lists %d", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	layers := map[v1.Hash]*heldLayer{}
	for i, d := range manifest.Layers {
		if compressionOf(d.MediaType) != "" && digestPattern.MatchString(d.Digest.String()) {
			diffID := config.RootFS.DiffIDs[i]
			layers[diffID] = newHeldLayer(diffID, d, func() (io.ReadCloser, error) { return openForeign(img, d, ref) })
		}
	}
	for key, l := range records.Layers {
		if layer, ok := layers[l.DiffID]; ok && digestPattern.MatchString(l.DiffID.String()) {
			one := &foreignLayer{layer: layer, compression: compressionOf(layer.desc.MediaType), from: ref}
			if l.Made != nil {
				one.made = *l.Made
			}
			f.layers[key] = one
		}
	}
	for key, digest := range records.Contents {
		if digestPattern.MatchString("sha256:" + digest) {
			f.contents[key] = digest
		}
	}
	return nil
}

// digestPattern is a digest that content can be checked against.
var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func openForeign(img v1.Image, d v1.Descriptor, ref image.Ref) (io.ReadCloser, error) {
	l, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	r, err := l.Compressed()
	if err != nil {
		return nil, fmt.Errorf("reading a layer of the cache %s (build without --cache-from if it is damaged): %w", ref, err)
	}
	return r, nil
}

// foreign gives the layer that a cache of --cache-from has for a key; nil when none has it.
func (n *node) foreign() *foreignLayer {
	if n.fresh || len(n.b.CacheFrom) == 0 {
		return nil
	}
	l := n.b.others().layers[n.key]
	if l == nil || n.b.tooOld(l.made) {
		return nil
	}
	return l
}

// tooOld tells whether something was made too long ago to be taken from a cache.
func (b *builder) tooOld(made time.Time) bool { return b.CacheTTL > 0 && time.Since(made) > b.CacheTTL }

// adopt brings a foreign layer into the store, reads it once and makes sure that it is what the cache says.
func (n *node) adopt(ctx context.Context, f *foreignLayer) (v1.Layer, error) {
	diffID, err := f.layer.DiffID()
	if err != nil {
		return nil, err
	}
	digest, err := f.layer.Digest()
	if err != nil {
		return nil, err
	}
	size, err := f.layer.Size()
	if err != nil {
		return nil, err
	}
	st := n.b.Store
	if !st.HasBlob(digest) {
		r, err := f.layer.Compressed()
		if err != nil {
			return nil, err
		}
		if err = errors.Join(st.PutBlob(ctx, r, digest, size), r.Close()); err != nil {
			return nil, err
		}
	}
	mediaType, err := f.layer.MediaType()
	if err != nil {
		return nil, err
	}
	desc := v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}
	l := storedLayer(st, diffID, desc)
	if err := n.b.inspect(l, diffID); err != nil {
		return nil, err
	}
	made := f.made
	if made.IsZero() {
		made = time.Now().UTC()
	}
	return l, st.SetRecord(recordLayer, n.key, layerRecord{DiffID: diffID, Made: made, Blob: &desc})
}

// inspect reads a layer, checks that its content has the diffID, and remembers what is in it.
func (b *builder) inspect(l v1.Layer, diffID v1.Hash) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	read, err := listing.Read(io.TeeReader(r, sum), b.Store.Limits)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != diffID.Hex {
		return fmt.Errorf("the layer is sha256:%s, and not %s: %w", got, diffID, store.ErrMismatch)
	}
	return b.Store.SetRecord(recordListing, diffID.String(), read)
}
