package dockerfile

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
)

// stubs are the files and directories that exist only because something was mounted on them. They belong to no layer.
type stubs struct {
	lower []string
	names []string // deepest first
}

// newStubs lists what a run may leave behind, before it does.
func newStubs(dirs *snapshot.Rootfs, mounts []sandbox.Mount) *stubs {
	s := &stubs{lower: dirs.Lower}
	targets := []string{"/proc", "/sys", "/dev"}
	for _, m := range mounts {
		targets = append(targets, m.Target)
	}
	seen := map[string]bool{}
	for _, t := range targets {
		for name := strings.TrimPrefix(clean(t), "/"); name != "." && name != ""; name = path.Dir(name) {
			if !seen[name] {
				seen[name] = true
				s.names = append(s.names, name)
			}
		}
	}
	slices.SortFunc(s.names, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return s
}

// remove removes from upper what was not there before and is still empty, and directories that are there only because
// such a thing was made in them.
func (s *stubs) remove(upper string) error {
	root, err := os.OpenRoot(upper)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range s.names {
		file := filepath.FromSlash(name)
		info, err := root.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !s.stub(filepath.Join(upper, file), file, info) {
			continue
		}
		if err := root.Remove(file); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// stub tells whether a file of the upper directory says nothing that those below do not say.
func (s *stubs) stub(full, file string, info fs.FileInfo) bool {
	if !info.IsDir() && (info.Size() > 0 || !info.Mode().IsRegular()) {
		return false
	}
	if info.IsDir() && isOpaque(full) {
		return false
	}
	for _, dir := range s.lower {
		below, err := os.Lstat(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		if !info.IsDir() || below.Mode() != info.Mode() {
			return false
		}
		a, ok1 := below.Sys().(*unixStat)
		b, ok2 := info.Sys().(*unixStat)
		return ok1 && ok2 && a.Uid == b.Uid && a.Gid == b.Gid
	}
	return true
}

func isOpaque(dir string) bool {
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		value := make([]byte, 8)
		if n, err := unix.Lgetxattr(dir, name, value); err == nil && string(value[:n]) == "y" {
			return true
		}
	}
	return false
}
