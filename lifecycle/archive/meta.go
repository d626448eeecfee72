package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dirMeta is what a directory gets once everything in it is written.
type dirMeta struct {
	mode     uint32
	mtime    time.Time
	uid, gid int
	xattrs   map[string]string
	opaque   bool // hides what lower layers have in it
}

func (x *extractor) meta(h *tar.Header) dirMeta {
	m := dirMeta{mode: uint32(h.Mode) & 0o7777, mtime: mtime(h, x.o), uid: h.Uid, gid: h.Gid}
	if x.o.Owners {
		m.xattrs = h.PAXRecords
	}
	return m
}

func mtime(h *tar.Header, o ExtractOptions) time.Time {
	if o.Times {
		return h.ModTime
	}
	return Epoch
}

// finish writes what is pending and then the metadata of directories, the deepest first.
func (x *extractor) finish() error {
	if err := x.settle(); err != nil {
		return err
	}
	dirs := slices.Sorted(maps.Keys(x.made))
	for _, dir := range slices.Backward(dirs) {
		if len(x.dirs) > maxOpen {
			x.closeDirs()
		}
		if _, err := x.open(dir); err != nil {
			return err
		}
		if err := x.who.setDir(x.dirs[dir], x.made[dir], x.o); err != nil {
			return fmt.Errorf("setting permissions of directory %q: %w", dir, err)
		}
	}
	return nil
}

// identity is what the process is and may.
type identity struct {
	uid, gid int
	umask    uint32 // bits that the kernel takes away from new files
}

func whoami() identity {
	id := identity{uid: os.Geteuid(), gid: os.Getegid(), umask: 0o777}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return id // all bits are set by chmod then
	}
	_, after, _ := strings.Cut(string(status), "\nUmask:")
	line, _, _ := strings.Cut(after, "\n")
	if mask, err := strconv.ParseUint(strings.TrimSpace(line), 8, 32); err == nil {
		id.umask = uint32(mask)
	}
	return id
}

// setFile sets owner, extended attributes, permissions and time of a file just written: in this order, because a
// change of owner takes set-uid bits and capabilities away.
func (id identity) setFile(f *os.File, p place, h *tar.Header, o ExtractOptions) error {
	fd := int(f.Fd())
	if err := id.setOwner(fd, h.Uid, h.Gid, h.PAXRecords, o); err != nil {
		return err
	}
	mode, err := id.readable(fd, uint32(h.Mode)&0o7777, false, o)
	if err != nil {
		return err
	}
	if mode&(0o7000|id.umask) != 0 || id.created(mode) != mode {
		if err := unix.Fchmod(fd, mode); err != nil {
			return fmt.Errorf("setting permissions: %w", err)
		}
	}
	return setTime(p.dir, p.name, mtime(h, o))
}

// setLink is setFile for what cannot be opened.
func (id identity) setLink(p place, h *tar.Header, o ExtractOptions) error {
	if o.Owners && id.uid == 0 && (h.Uid != id.uid || h.Gid != id.gid) {
		err := unix.Fchownat(p.dir, p.name, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && !notAllowed(err) {
			return fmt.Errorf("setting the owner: %w", err)
		}
	}
	if h.Typeflag == tar.TypeFifo {
		if err := unix.Fchmodat(p.dir, p.name, uint32(h.Mode)&0o7777, 0); err != nil {
			return fmt.Errorf("setting permissions: %w", err)
		}
	}
	return setTime(p.dir, p.name, mtime(h, o))
}

func (id identity) setDir(d *os.File, m *dirMeta, o ExtractOptions) error {
	fd := int(d.Fd())
	if err := id.setOwner(fd, m.uid, m.gid, m.xattrs, o); err != nil {
		return err
	}
	if m.opaque {
		if err := id.setOpaque(fd); err != nil {
			return err
		}
	}
	mode, err := id.readable(fd, m.mode, true, o)
	if err != nil {
		return err
	}
	if err := setTime(fd, ".", m.mtime); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("setting permissions: %w", err)
	}
	return nil
}

// created is with which permissions a file is made: an ordinary user can set no attributes of one that is read-only.
func (id identity) created(mode uint32) uint32 {
	if id.uid != 0 {
		mode |= 0o600
	}
	return mode & 0o777
}

// readable gives the permissions of a file or directory on disk: those that keep an ordinary user from reading his own are
// recorded.
func (id identity) readable(fd int, mode uint32, dir bool, o ExtractOptions) (uint32, error) {
	if id.uid == 0 {
		return mode, nil
	}
	mode, record := Readable(mode, dir)
	if record == "" || !o.Owners {
		return mode, nil
	}
	return mode, setXattr(fd, ModeXattr, record)
}

// setOwner sets owner and extended attributes, or records the owner where that is not allowed.
func (id identity) setOwner(fd, uid, gid int, records map[string]string, o ExtractOptions) error {
	if !o.Owners {
		return nil
	}
	err := error(unix.EPERM)
	if id.uid == 0 {
		if err = nil; uid != id.uid || gid != id.gid {
			err = unix.Fchown(fd, uid, gid)
		}
	}
	if notAllowed(err) {
		err = nil
		if uid != 0 || gid != 0 { // what has no record belongs to root
			err = setXattr(fd, OwnerXattr, fmt.Sprintf("%d:%d", uid, gid))
		}
	}
	if err != nil {
		return fmt.Errorf("setting the owner: %w", err)
	}
	return id.setXattrs(fd, records)
}

// setXattrs sets the extended attributes that mean something in a container: user's own and file capabilities. Those
// of overlayfs and ours would change what the file system shows, and are never taken from an archive.
func (id identity) setXattrs(fd int, records map[string]string) error {
	for key, value := range records {
		name, ok := strings.CutPrefix(key, XattrRecord)
		allowed := name == "security.capability" && id.uid == 0 ||
			strings.HasPrefix(name, "user.") && !InternalXattr(name)
		if !ok || !allowed {
			continue
		}
		if err := setXattr(fd, name, value); err != nil {
			return fmt.Errorf("setting the extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// InternalXattr tells which extended attributes belong to overlayfs or to us and so to no layer.
func InternalXattr(name string) bool {
	return strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "trusted.overlay.") ||
		strings.HasPrefix(name, "user.s2i.")
}

// setXattr sets an extended attribute where the file system has any and the process may.
func setXattr(fd int, name, value string) error {
	err := unix.Fsetxattr(fd, name, []byte(value), 0)
	if errors.Is(err, unix.ENOTSUP) || notAllowed(err) {
		return nil
	}
	return err
}

func setTime(dir int, name string, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	if t.IsZero() || t.Unix() != ts.Sec { // outside what nanoseconds can count
		ts = unix.NsecToTimespec(Epoch.UnixNano())
	}
	if err := unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting the time: %w", err)
	}
	return nil
}

// notAllowed tells errors of permission, and of ids that the user namespace does not map.
func notAllowed(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL)
}
