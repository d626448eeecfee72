package snapshot

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

// stacked is a directory as overlayfs shows it: those of several layers on top of each other.
type stacked struct {
	owners owners
	dirs   []string // top first
}

func (s *stacked) child(name string) (was, error) {
	var out was
	var dirs []string
	for _, dir := range s.dirs {
		f, err := archive.At(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return was{}, err
		}
		if whiteout(f.Stat.Mode, f.Stat.Rdev) {
			break
		}
		isDir := f.Stat.Mode&unix.S_IFMT == unix.S_IFDIR
		if !out.there {
			out = was{there: true, same: s.compare(f)}
		} else if !isDir {
			break
		}
		if !isDir {
			break
		}
		dirs = append(dirs, filepath.Join(dir, name))
		if opaque, err := isOpaque(f); err != nil || opaque {
			if err != nil {
				return was{}, err
			}
			break
		}
	}
	if len(dirs) > 0 {
		out.dir = &stacked{owners: s.owners, dirs: dirs}
	}
	return out, nil
}

func (s *stacked) names() ([]string, error) {
	all := map[string]bool{} // whether it is there
	for _, dir := range s.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, known := all[e.Name()]; known {
				continue
			}
			f, err := archive.At(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			all[e.Name()] = !whiteout(f.Stat.Mode, f.Stat.Rdev)
		}
	}
	maps.DeleteFunc(all, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(all)), nil
}

// compare compares files with one that was there. A file with several names is always written: its names belong
// together.
func (s *stacked) compare(old *archive.File) func(f *archive.File, h *tar.Header) (bool, error) {
	return func(f *archive.File, h *tar.Header) (bool, error) {
		if f.Stat.Mode&unix.S_IFMT != old.Stat.Mode&unix.S_IFMT || h.Typeflag == tar.TypeReg && f.Stat.Size != old.Stat.Size ||
			h.Typeflag != tar.TypeDir && f.Stat.Nlink > 1 {
			return false, nil
		}
		o, err := s.owners.header(old, h.Name, true)
		if err != nil || o == nil || !sameHeader(h, o) {
			return false, err
		}
		if h.Typeflag != tar.TypeReg {
			return true, nil
		}
		return sameContent(f, old)
	}
}

func sameHeader(a, b *tar.Header) bool {
	return a.Typeflag == b.Typeflag && a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid && a.Size == b.Size &&
		a.Linkname == b.Linkname && a.Devmajor == b.Devmajor && a.Devminor == b.Devminor &&
		maps.Equal(a.PAXRecords, b.PAXRecords)
}

func sameContent(a, b *archive.File) (bool, error) {
	x, err := a.Open()
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := b.Open()
	if err != nil {
		return false, err
	}
	defer y.Close()
	bufX, bufY := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errX := io.ReadFull(x, bufX)
		m, errY := io.ReadFull(y, bufY)
		switch {
		case !bytes.Equal(bufX[:n], bufY[:m]):
			return false, nil
		case errX != nil && errY != nil:
			if ended(errX) && ended(errY) {
				return true, nil
			}
			return false, errors.Join(errX, errY)
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// checkOverlay refuses files whose content overlayfs keeps elsewhere.
func checkOverlay(attrs map[string]string) error {
	for _, what := range []string{"redirect", "metacopy"} {
		for _, kind := range []string{"user", "trusted"} {
			if _, ok := attrs[kind+".overlay."+what]; ok {
				return errors.New("the root filesystem was mounted with overlayfs's option " + what +
					", which cannot become a layer")
			}
		}
	}
	return nil
}

// recorded reads the ids of a record: uid:gid.
func recorded(owner string) (uid, gid int, ok bool) {
	u, g, ok := strings.Cut(owner, ":")
	if !ok {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	return uid, gid, err1 == nil && err2 == nil && uid >= 0 && gid >= 0
}

// records gives the extended attributes that belong into an image.
func records(attrs map[string]string) map[string]string {
	var out map[string]string
	for name, value := range attrs {
		if archive.InternalXattr(name) || (!strings.HasPrefix(name, "user.") && name != "security.capability") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[archive.XattrRecord+name] = value
	}
	return out
}
