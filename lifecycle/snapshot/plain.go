package snapshot

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// Index is what stat says of everything in a directory that is a root filesystem by itself, where nothing can be
// mounted. Of a file that has the same inode, size, mode, owner and ctime_ns as before, nothing has changed: the kernel
// sets ctime at every change, and nobody else can. So changes are found without reading files.
type Index struct {
	dir string
	top *stamp
}

// stamp is what is remembered of a file.
type stamp struct {
	name           string
	ino, rdev      uint64
	size, ctime    int64
	mode, uid, gid uint32
	attrs          map[string]string // of a directory, whose ctime changes with what is in it
	in             []*stamp          // sorted by name
}

// NewIndex looks at everything in a directory, whose files have one name each then. What changes after it returns gets
// another ctime than anything in it.
func NewIndex(ctx context.Context, dir string) (*Index, error) {
	i := &Index{dir: dir}
	if err := partLinks(ctx, dir); err != nil {
		return nil, fmt.Errorf("preparing the root filesystem: %w", err)
	}
	var last int64
	open := []*stamp{}
	err := archive.Walk(ctx, dir, func(f *archive.File) error {
		s := newStamp(f)
		last = max(last, s.ctime)
		if f.Rel == "" {
			i.top, open = s, []*stamp{s}
			return nil
		}
		open = open[:1+strings.Count(f.Rel, "/")]
		in := open[len(open)-1]
		in.in = append(in.in, s)
		if s.mode&unix.S_IFMT != unix.S_IFDIR {
			return nil
		}
		open = append(open, s)
		attrs, err := f.Xattrs()
		s.attrs = records(attrs)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking at the root filesystem: %w", err)
	}
	return i, nextTick(ctx, last)
}

func newStamp(f *archive.File) *stamp {
	st := &f.Stat
	return &stamp{name: path.Base(f.Rel), ino: st.Ino, rdev: st.Rdev, size: st.Size, ctime: st.Ctim.Nano(), mode: st.Mode,
		uid: st.Uid, gid: st.Gid}
}

// nextTick waits until the clock that files get their times from has gone on, a few milliseconds at most.
func nextTick(ctx context.Context, last int64) error {
	for range 20 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil || now.Nano() > last {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil // a file from the future: what changes then gets an earlier time
}

// Refresh takes files as they are now for what they were. It is for those that were moved away and put back.
func (i *Index) Refresh(rel string) {
	at := i.top
	for _, name := range strings.Split(rel, "/") {
		if at = at.child(name); at == nil {
			return
		}
	}
	f, err := archive.At(path.Join(i.dir, rel))
	if err != nil {
		return
	}
	if now := newStamp(f); now.ino == at.ino && now.mode&unix.S_IFMT == at.mode&unix.S_IFMT {
		at.ctime = now.ctime
	}
}

func (s *stamp) child(name string) *stamp {
	n := sort.Search(len(s.in), func(n int) bool { return s.in[n].name >= name })
	if n == len(s.in) || s.in[n].name != name {
		return nil
	}
	return s.in[n]
}

// PlainOptions says what layer Index.Diff makes.
type PlainOptions struct {
	store.LayerOptions
	// Same tells of a file that has been touched whether it is still what the layers below have under its name.
	Same func(ctx context.Context, h *tar.Header, open func() (io.ReadCloser, error)) (bool, error)
}

// Diff makes a layer of what has changed since the index was made: the same that Rootfs.Diff makes of the same changes.
func (i *Index) Diff(ctx context.Context, st *store.Store, o PlainOptions) (v1.Layer, error) {
	l, err := st.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		d := &differ{opaque: func(*archive.File) (bool, error) { return true, nil }}
		return d.write(ctx, w, i.dir, &indexed{ctx: ctx, at: i.top, o: o})
	}, o.LayerOptions)
	if err != nil {
		return nil, fmt.Errorf("making a layer of the changes: %w", err)
	}
	return l, nil
}

// indexed is a directory of an index.
type indexed struct {
	ctx context.Context //nolint:containedctx // lives as long as one Diff
	at  *stamp
	o   PlainOptions
}

func (x *indexed) child(name string) (was, error) {
	s := x.at.child(name)
	if s == nil {
		return was{}, nil
	}
	out := was{there: true, same: func(f *archive.File, h *tar.Header) (bool, error) { return x.same(s, f, h) }}
	if s.mode&unix.S_IFMT == unix.S_IFDIR {
		out.dir = &indexed{ctx: x.ctx, at: s, o: x.o}
	}
	return out, nil
}

func (x *indexed) names() ([]string, error) {
	out := make([]string, len(x.at.in))
	for i, s := range x.at.in {
		out[i] = s.name
	}
	return out, nil
}

func (x *indexed) same(s *stamp, f *archive.File, h *tar.Header) (bool, error) {
	now := newStamp(f)
	switch {
	case now.mode != s.mode || now.uid != s.uid || now.gid != s.gid || now.rdev != s.rdev:
		return false, nil
	case h.Typeflag == tar.TypeDir:
		return maps.Equal(h.PAXRecords, s.attrs), nil
	case now.ino == s.ino && now.size == s.size && now.ctime == s.ctime:
		return true, nil
	case now.size != s.size || f.Stat.Nlink > 1:
		return false, nil
	}
	return x.o.Same(x.ctx, h, func() (io.ReadCloser, error) { return f.Open() })
}
