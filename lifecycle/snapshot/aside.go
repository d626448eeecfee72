package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/sandbox"
)

// maxAside bounds the file of owners, in bytes.
const maxAside = 64 << 20

// readAside reads what a sandbox has recorded of links, pipes and other files that can have no attributes: a line with
// inode number and owner for each.
func readAside(work string) (map[uint64]id, error) {
	f, err := os.Open(filepath.Join(work, sandbox.OwnersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the owners of links: %w", err)
	}
	defer f.Close()
	out := map[uint64]id{}
	lines := bufio.NewScanner(io.LimitReader(f, maxAside))
	for lines.Scan() {
		number, owner, _ := strings.Cut(lines.Text(), " ")
		ino, err := strconv.ParseUint(number, 10, 64)
		uid, gid, ok := recorded(owner)
		if err != nil || !ok {
			return nil, fmt.Errorf("reading the owners of links: %q is no owner", lines.Text())
		}
		out[ino] = id{uid, gid}
	}
	return out, lines.Err()
}

// Settle records, where an ordinary user can only record owners, whose the files are that a run has made, and lets that
// user read all of them. It is to be called before something else is run on them.
func (r *Rootfs) Settle(ctx context.Context, uid, gid int) error {
	if os.Geteuid() == 0 {
		return nil
	}
	err := archive.Walk(ctx, r.Upper, func(f *archive.File) error {
		kind := f.Stat.Mode & unix.S_IFMT
		if f.Rel == "" || kind != unix.S_IFREG && kind != unix.S_IFDIR {
			return nil
		}
		owner := ""
		if (uid != 0 || gid != 0) && !r.known(f.Rel) {
			owner = fmt.Sprintf("%d:%d", uid, gid)
		}
		mode, record := archive.Readable(f.Stat.Mode&0o7777, kind == unix.S_IFDIR)
		if owner == "" && record == "" {
			return nil
		}
		return settle(filepath.Join(r.Upper, f.Rel), mode, owner, record)
	})
	if err != nil {
		return fmt.Errorf("recording owners: %w", err)
	}
	return nil
}

// settle sets permissions and records of a file, which has to be writable for that.
func settle(path string, mode uint32, owner, record string) error {
	if err := unix.Chmod(path, mode|0o600); err != nil {
		return err
	}
	if record != "" {
		if err := unix.Lsetxattr(path, archive.ModeXattr, []byte(record), 0); err != nil {
			return err
		}
	}
	if owner != "" {
		err := unix.Lsetxattr(path, archive.OwnerXattr, []byte(owner), unix.XATTR_CREATE)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return unix.Chmod(path, mode)
}

// known tells whether something is there in the lower directories.
func (r *Rootfs) known(rel string) bool {
	for _, dir := range r.Lower {
		if f, err := archive.At(filepath.Join(dir, rel)); err == nil {
			return !whiteout(f.Stat.Mode, f.Stat.Rdev)
		}
	}
	return false
}
