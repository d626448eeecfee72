package dockerfile

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/moby/patternmatcher"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/listing"
)

// gathered is one source of a COPY or ADD: a file, or a directory with what is below it.
type gathered struct {
	from files
	// base is the name that a file gets in a directory.
	base string
	// parents is the directory below the destination that --parents keeps.
	parents string
	// above are the directories of parents, outermost first.
	above []listing.Entry
	// entries begin with the source itself. Names are those in from; digests are filled.
	entries []listing.Entry
	// archive tells that the source is an archive, which is unpacked.
	archive bool
	// data is the content of a file that stands in the Dockerfile.
	data []byte
}

// root is the source itself.
func (g *gathered) root() *listing.Entry { return &g.entries[0] }

// gatherer collects the sources of one instruction.
type gatherer struct {
	from    files
	exclude *patternmatcher.PatternMatcher
	parents bool
	out     []gathered
}

// maxGathered bounds the files of one instruction.
const maxGathered = 2_000_000

// pattern gathers what one source pattern means.
func (g *gatherer) pattern(ctx context.Context, pattern string) error {
	pivot := 0
	clean := strings.TrimPrefix(pattern, "/")
	if before, after, ok := strings.Cut(clean, "/./"); ok && g.parents {
		before = listing.Clean(strings.ReplaceAll(before, "**", "*"))
		pivot, clean = len(elements(before)), path.Join(before, after)
	} else if after, ok := strings.CutPrefix(clean, "./"); ok {
		clean = after
	}
	names, err := match(g.from, clean, g.parents)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := g.source(ctx, name, pivot, hasWildcard(clean)); err != nil {
			return err
		}
	}
	return nil
}

// elements are the names in a clean path.
func elements(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// source gathers one match of a pattern. What --parents keeps of its path begins after pivot elements.
func (g *gatherer) source(ctx context.Context, name string, pivot int, wild bool) error {
	at, err := g.from.resolve(name)
	if err != nil {
		return err
	}
	e, err := g.from.lstat(at)
	if err != nil {
		return err
	}
	if e == nil {
		if wild {
			return nil
		}
		return fmt.Errorf("%q is not there, or is left out by the ignore rules", "/"+name)
	}
	one := gathered{from: g.from, base: path.Base("/" + name)}
	if g.parents {
		if err := g.keepParents(&one, name, pivot, e.IsDir()); err != nil {
			return err
		}
	}
	if err := g.walk(ctx, &one, *e, at); err != nil {
		return err
	}
	if len(one.entries) > 0 {
		g.out = append(g.out, one)
	}
	return nil
}

// keepParents records the directories between the pivot and the source, which --parents makes below the destination.
func (g *gatherer) keepParents(one *gathered, name string, pivot int, isDir bool) error {
	kept := elements(name)
	pivot = min(pivot, len(kept))
	before, kept := path.Join(kept[:pivot]...), kept[pivot:]
	if !isDir && len(kept) > 0 {
		kept = kept[:len(kept)-1]
	}
	one.parents = path.Join(kept...)
	above := ""
	for _, el := range kept {
		above = path.Join(above, el)
		if isDir && above == one.parents {
			break
		}
		at, err := g.from.resolve(path.Join(before, above))
		if err != nil {
			return err
		}
		e, err := g.from.lstat(at)
		if err != nil {
			return err
		}
		if e != nil {
			keep := *e
			keep.Name = above
			one.above = append(one.above, keep)
		}
	}
	return nil
}

// walk adds an entry and what is below it. top is where the walk began.
func (g *gatherer) walk(ctx context.Context, one *gathered, e listing.Entry, top string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.Name != top || !e.IsDir() { // when a directory is copied, that is about what is in it
		if out, err := g.excluded(e.Name, top); err != nil || out && (!e.IsDir() || !g.exclude.Exclusions()) {
			return err
		}
	}
	if len(one.entries) >= maxGathered {
		return fmt.Errorf("there are more than %d files in %q", maxGathered, "/"+top)
	}
	one.entries = append(one.entries, e)
	if !e.IsDir() {
		return nil
	}
	below, err := g.from.list(e.Name)
	if err != nil {
		return err
	}
	for i := range below {
		if err := g.walk(ctx, one, below[i], top); err != nil {
			return err
		}
	}
	return nil
}

// digests fills in the digests of files that were never read, several at once.
func (g *gatherer) digests(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range g.out {
		for j := range g.out[i].entries {
			e := &g.out[i].entries[j]
			if e.Type != tar.TypeReg || e.Digest != "" {
				continue
			}
			group.Go(func() (err error) {
				e.Digest, err = g.from.digest(ctx, e)
				return err
			})
		}
	}
	return group.Wait()
}

// excluded tells whether --exclude leaves a name out: by its place in the tree, or in the directory that is copied.
func (g *gatherer) excluded(name, top string) (bool, error) {
	if g.exclude == nil || name == "" {
		return false, nil
	}
	out, err := g.exclude.MatchesOrParentMatches(name)
	if err != nil || out {
		return out, err
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(name, top), "/")
	if rel == "" || rel == name {
		return false, nil
	}
	return g.exclude.MatchesOrParentMatches(rel)
}

// contentDigest names what sources hold: names, types, modes, owners, links and contents.
func contentDigest(sources []gathered) (string, error) {
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	for _, g := range sources {
		if err := enc.Encode([]any{g.base, g.parents, g.above, g.archive, len(g.entries)}); err != nil {
			return "", err
		}
		top := g.root().Name
		first := map[string]string{}
		for _, e := range g.entries {
			same := cmp.Or(e.SameAs, e.Name)
			e.Name = strings.TrimPrefix(strings.TrimPrefix(e.Name, top), "/")
			if e.SameAs = first[same]; e.SameAs == "" { // where the file is in its tree does not matter
				first[same] = e.Name
			}
			if err := enc.Encode(e); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
