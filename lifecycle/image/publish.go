package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/progress"
)

// Published says that an image now is where Ref says. Digest is that of its manifest, or of its index, there: layouts
// and archives hold OCI manifests only, so an image with docker's media types has another digest in them.
type Published struct {
	Ref    Ref
	Digest v1.Hash
}

// sink is a place that an image can be put. The refs of one sink are put there together.
type sink interface {
	// check finds out whether publish could write, without leaving anything behind.
	check(ctx context.Context) error
	// publish puts the image under all of the sink's names and gives the digest that it has there.
	publish(ctx context.Context, image manifest) (v1.Hash, error)
}

// manifest is what v1.Image and v1.ImageIndex have in common.
type manifest interface {
	Digest() (v1.Hash, error)
	RawManifest() ([]byte, error)
}

// CheckWrite finds out whether an image could be published as ref, before any work is done for it: a registry is asked
// to begin an upload, a directory is tried, a daemon is greeted. It leaves nothing behind.
func (c *Client) CheckWrite(ctx context.Context, ref Ref) error {
	s, err := c.sink([]Ref{ref}, nil)
	if err == nil {
		err = s.check(ctx)
	}
	if err != nil {
		return fmt.Errorf("checking whether %s can be written: %w", ref, err)
	}
	return nil
}

// Publish puts an image or an index (v1.Image or v1.ImageIndex) where the refs say, everywhere at the same time. An
// index is published whole. One failure does not stop the others: what was published is returned with the error.
//
// Archives and daemons name the image after their own reference or, when that names none, after the other refs.
func (c *Client) Publish(ctx context.Context, image any, refs []Ref) ([]Published, error) {
	m, ok := image.(manifest)
	if !ok {
		return nil, fmt.Errorf("publishing a %T: it is neither an image nor an index", image)
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		done []Published
		errs []error
	)
	for _, group := range groupRefs(refs) {
		wg.Go(func() {
			digest, err := c.publishGroup(ctx, m, group, refs)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			for _, r := range group {
				done = append(done, Published{r, digest})
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(done, func(a, b Published) int {
		return cmp.Compare(slices.Index(refs, a.Ref), slices.Index(refs, b.Ref))
	})
	return done, errors.Join(errs...)
}

func (c *Client) publishGroup(ctx context.Context, m manifest, group, all []Ref) (digest v1.Hash, err error) {
	ctx, task := progress.Start(ctx, "publish "+group[0].String(), 0)
	defer func() { task.End(err) }()
	s, err := c.sink(group, all)
	if err == nil {
		digest, err = s.publish(ctx, m)
	}
	if err != nil {
		return digest, fmt.Errorf("publishing image %s: %w", group[0], err)
	}
	return digest, nil
}

// groupRefs puts the refs together that go to the same place: a registry, so that its repositories can mount each
// other's blobs; the store; a directory; a file. Their order is kept, and doubles are left out.
func groupRefs(refs []Ref) [][]Ref {
	at := map[Ref]int{}
	var groups [][]Ref
	for _, r := range refs {
		key := Ref{Kind: r.Kind, Path: r.Path}
		switch r.Kind {
		case Registry:
			key.Name = hostOf(r.Name)
		case OCIArchive:
			key.Kind = DockerArchive
		}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		if !slices.Contains(groups[i], r) {
			groups[i] = append(groups[i], r)
		}
	}
	return groups
}

// sink makes the sink of a group of refs.
func (c *Client) sink(group, all []Ref) (sink, error) {
	switch first := group[0]; first.Kind {
	case Registry:
		return c.newRegistrySink(group)
	case Local:
		if c.Store == nil {
			return nil, errNoStore
		}
		return &storeSink{c, namesOf(group)}, nil
	case OCILayout:
		return &layoutSink{dir: first.Path, names: namesOf(group)}, nil
	case DockerArchive, OCIArchive:
		return &archiveSink{path: first.Path, names: archiveNames(group, all)}, nil
	case Daemon:
		return &daemonSink{c: c, names: namesOf(group)}, nil
	default:
		return nil, fmt.Errorf("unknown kind of reference %d", first.Kind)
	}
}

func namesOf(refs []Ref) []string {
	var names []string
	for _, r := range refs {
		if r.Name != "" {
			names = append(names, r.Name)
		}
	}
	return names
}

// archiveNames are the names in an archive: its own, else those under which the image is published elsewhere. Of these
// an OCI archive takes only the first, since OCI tools refuse to choose among several entries.
func archiveNames(group, all []Ref) []string {
	if own := namesOf(group); own != nil {
		return own
	}
	var names []string
	for _, r := range all {
		if r.Kind == Registry || r.Kind == Local || r.Kind == Daemon {
			names = append(names, r.Name)
		}
	}
	if len(names) > 1 && slices.ContainsFunc(group, func(r Ref) bool { return r.Kind == OCIArchive }) {
		names = names[:1]
	}
	return names
}
