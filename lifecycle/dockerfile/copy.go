package dockerfile

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
)

// copying is a COPY, or an ADD of local files.
type copying struct {
	text     string // for the history
	sources  []string
	contents []instructions.SourceContent
	dest     string
	from     string
	chown    string
	chmod    string
	exclude  []string
	parents  bool
	link     bool
	unpack   bool        // archives among the sources are unpacked
	remote   *sourceTree // what the sources are in, when it came over the network
}

func copyOf(c *instructions.CopyCommand) copying {
	return copying{text: fmt.Sprint(c), sources: c.SourcePaths, contents: c.SourceContents, dest: c.DestPath, from: c.From,
		chown: c.Chown, chmod: c.Chmod, exclude: c.ExcludePatterns, parents: c.Parents, link: c.Link}
}

// copy evaluates a COPY. Its key holds the content of what it copies, but not where a stage got that from.
func (s *stage) copy(ctx context.Context, st *state, c copying) error {
	var chmod func(int64, bool) int64
	if c.chmod != "" {
		var err error
		if chmod, err = parseChmod(c.chmod); err != nil {
			return err
		}
	}
	dest, toDir := destination(st.config.Config.WorkingDir, c.dest)
	toDir = toDir || len(c.sources)+len(c.contents) > 1
	tree := c.remote
	if tree == nil {
		var err error
		if tree, err = s.tree(ctx, st, c.from); err != nil {
			return err
		}
	}
	g := &gathering{s: s, c: c, tree: tree.open}
	digest, err := s.b.content(ctx, tree.at, g)
	if err != nil {
		return during(c.text, err)
	}
	below := st.chain
	if c.link && c.chmod == "" { // as BuildKit has it
		below = nil
	}
	key, err := chained(below, "copy", dest, toDir, c.chown, c.chmod, digest)
	if err != nil {
		return err
	}
	s.append(st, c.text+" # buildkit", key, false, func(ctx context.Context, n *node) (made, error) {
		return s.b.makeCopy(ctx, n, g, placement{dest: dest, toDir: toDir, chmod: chmod, dirMode: octal(c.chmod)}, below)
	})
	return nil
}

// destination makes a destination absolute; a slash or a dot at its end means a directory.
func destination(workdir, dest string) (string, bool) {
	toDir := dest == "" || strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, "/.") || dest == "." || dest == ".." || strings.HasSuffix(dest, "/..")
	if !path.IsAbs(dest) {
		dest = path.Join("/", workdir, dest)
	}
	return listing.Clean(dest), toDir
}

// sourceTree is what a COPY or ADD takes files from. at is the top layer of a stage or an image, whose key names the
// content before its files are known; nil for others.
type sourceTree struct {
	open func(context.Context) (files, error)
	at   *node
}

func treeOf(f files) *sourceTree {
	return &sourceTree{open: func(context.Context) (files, error) { return f, nil }}
}

// tree finds what --from names: a stage, a named context, an image, or the build context.
func (s *stage) tree(ctx context.Context, st *state, from string) (*sourceTree, error) {
	if from == "" {
		return treeOf(s.b.Context), nil
	}
	if from == ownFiles {
		return s.treeOf(st, st.clone()), nil
	}
	i, ok, err := s.b.File.from(s.index, from)
	if err != nil {
		return nil, err
	}
	if !ok {
		if c, named := s.b.context(from); named && c.Dir != nil {
			return treeOf(c.Dir), nil
		}
	}
	var source *state
	if ok {
		source, err = s.b.stage(i).state(ctx)
	} else {
		source, err = s.b.fromImage(ctx, from, st.platform)
	}
	if err != nil {
		return nil, err
	}
	return s.treeOf(st, source), nil
}

// treeOf is what a stage or an image holds.
func (s *stage) treeOf(st, source *state) *sourceTree {
	tree := &sourceTree{open: func(ctx context.Context) (files, error) {
		s.ahead(ctx, st)
		return s.b.view(ctx, source.chain)
	}}
	if len(source.chain) > 0 {
		tree.at = source.chain[len(source.chain)-1]
	}
	return tree
}

// ahead begins to make what the stage has so far: when a stage has to be looked into, that takes time, and what this one
// has will hardly be in the cache either.
func (s *stage) ahead(ctx context.Context, st *state) {
	chain := slices.Clone(st.chain)
	s.b.behind.Go(func() { _ = s.b.force(ctx, chain) }) // whoever needs it gets the error
}

// gathering collects the sources of a copying when they are needed, once.
type gathering struct {
	s    *stage
	c    copying
	tree func(context.Context) (files, error)
	out  []gathered
	done bool
}

// gather gives the sources. It is not called by several goroutines at once.
func (g *gathering) gather(ctx context.Context) ([]gathered, error) {
	if g.done {
		return g.out, nil
	}
	if len(g.c.sources) > 0 {
		tree, err := g.tree(ctx)
		if err != nil {
			return nil, err
		}
		x := &gatherer{from: tree, parents: g.c.parents}
		if len(g.c.exclude) > 0 {
			if x.exclude, err = patternmatcher.New(g.c.exclude); err != nil {
				return nil, fmt.Errorf("reading --exclude: %w", err)
			}
		}
		for _, src := range g.c.sources {
			if err := x.pattern(ctx, src); err != nil {
				return nil, err
			}
		}
		if err := x.digests(ctx); err != nil {
			return nil, err
		}
		g.out = x.out
		if g.c.unpack {
			if err := g.unpackArchives(ctx); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range g.c.contents {
		g.out = append(g.out, inline(c))
	}
	g.done = true
	return g.out, nil
}

// inline is a file that stands in the Dockerfile.
func inline(c instructions.SourceContent) gathered {
	sum := sha256.Sum256([]byte(c.Data))
	e := listing.Entry{Name: c.Path, Type: tar.TypeReg, Mode: 0o644, Size: int64(len(c.Data)), Digest: hex.EncodeToString(sum[:])}
	return gathered{base: c.Path, entries: []listing.Entry{e}, data: []byte(c.Data)}
}

// recordContent is what a stage or an image holds at some paths, by the key of its top layer and the paths.
const recordContent = "dockerfile-content"

type contentRecord struct {
	Digest string `json:"digest"`
	// Of is the top layer that was looked into. A command that is run anew may give another one under the same key.
	Of string `json:"of,omitempty"`
}

// content is the digest of what a copying copies. What a stage holds is remembered by the key of its top layer, at.
func (b *builder) content(ctx context.Context, at *node, g *gathering) (string, error) {
	key := ""
	if at != nil {
		var err error
		if key, err = chained(nil, "content", at.key, g.c.sources, g.c.contents, g.c.exclude, g.c.parents, g.c.unpack); err != nil {
			return "", err
		}
		if known := b.knownContent(ctx, key, at); known != "" {
			b.noteContent(key, known)
			return known, nil
		}
	}
	sources, err := g.gather(ctx)
	if err != nil {
		return "", err
	}
	digest, err := contentDigest(sources)
	if err != nil || key == "" {
		return digest, err
	}
	top, err := at.force(ctx)
	if err != nil {
		return "", err
	}
	diffID, err := top.DiffID()
	if err != nil {
		return "", err
	}
	b.noteContent(key, digest)
	return digest, b.Store.SetRecord(recordContent, key, contentRecord{digest, diffID.String()})
}

// knownContent is what the record of a content says, if it is about the layer that the cache has now, and else what
// another cache says of a layer that is not here.
func (b *builder) knownContent(ctx context.Context, key string, at *node) string {
	if at.fresh {
		return ""
	}
	var now layerRecord
	made := at.base == nil && b.Store.Record(recordLayer, at.key, &now) == nil
	if made && b.tooOld(now.Made) {
		return ""
	}
	var known contentRecord
	if b.Store.Record(recordContent, key, &known) == nil && (!made || now.DiffID.String() == known.Of) {
		return known.Digest
	}
	if len(b.CacheFrom) == 0 || at.base != nil || at.cached(ctx) != nil {
		return ""
	}
	digest := b.others().contents[key]
	if digest != "" {
		_ = b.Store.SetRecord(recordContent, key, contentRecord{Digest: digest}) // it only saves work
	}
	return digest
}

// makeCopy makes the layer of a COPY, straight from its sources.
func (b *builder) makeCopy(ctx context.Context, n *node, g *gathering, p placement, below []*node) (made, error) {
	sources, err := g.gather(ctx)
	if err != nil {
		return made{}, err
	}
	image, err := b.view(ctx, below)
	if err != nil {
		return made{}, err
	}
	p.target = image.View
	if p.owner, err = image.owner(ctx, g.c); err != nil {
		return made{}, err
	}
	items, err := p.place(sources)
	if err != nil {
		return made{}, during(g.c.text, err)
	}
	return b.pack(ctx, n, items)
}

// owner is the owner of what is copied; nil leaves that of the sources: for files of the build context, root.
func (r *rootfs) owner(ctx context.Context, c copying) (*ids, error) {
	if c.chown == "" {
		if c.from == "" && !c.unpack {
			return &ids{}, nil
		}
		return nil, nil
	}
	owner, err := r.accounts(ctx).owner(c.chown)
	if err != nil {
		return nil, fmt.Errorf("--chown=%s: %w", c.chown, err)
	}
	return &owner, nil
}

// pack makes a layer of items.
func (b *builder) pack(ctx context.Context, n *node, items []*item) (made, error) {
	b.count()
	var list listed
	l, err := b.Store.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		return writeItems(ctx, w, items, list.begin())
	}, store.LayerOptions{Need: store.Blob, Compression: b.Compression})
	if err != nil {
		return made{}, err
	}
	return ready(l), errors.Join(list.keep(b, l), n.remember(l))
}

func (b *builder) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran++
}

// makeDir makes the layer of a WORKDIR: the directories that are missing, owned by the user of the stage.
func (b *builder) makeDir(ctx context.Context, n *node, dir, user string) (made, error) {
	image, err := b.view(ctx, n.below)
	if err != nil {
		return made{}, err
	}
	p := &placement{target: image.View, items: map[string]*item{}}
	if user != "" {
		owner, err := image.accounts(ctx).owner(user)
		if err != nil {
			return made{}, err
		}
		p.owner = &owner
	}
	at, err := image.Resolve(dir, true)
	if err != nil {
		return made{}, err
	}
	if e := image.Lstat(at); e != nil && !e.IsDir() {
		return made{}, fmt.Errorf("WORKDIR %s: it is a file in the image", dir)
	}
	if err := p.makeDirs(at); err != nil {
		return made{}, err
	}
	return b.pack(ctx, n, p.sorted())
}
