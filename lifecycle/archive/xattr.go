package archive

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// maxXattrs bounds names and values of one file's extended attributes, as the kernel does.
const maxXattrs = 64 << 10

// Xattrs reads the extended attributes of a regular file or directory that the process may read. Other files have
// none that matter.
func (f *File) Xattrs() (map[string]string, error) {
	if t := f.Stat.Mode & unix.S_IFMT; t != unix.S_IFREG && t != unix.S_IFDIR {
		return nil, nil
	}
	d, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return xattrs(int(d.Fd()))
}

func xattrs(fd int) (map[string]string, error) {
	n, err := unix.Flistxattr(fd, nil)
	if errors.Is(err, unix.ENOTSUP) || (err == nil && n == 0) {
		return nil, nil
	}
	names := make([]byte, maxXattrs)
	if err == nil {
		n, err = unix.Flistxattr(fd, names)
	}
	if err != nil {
		return nil, err
	}
	if n == 0 { // overlayfs counts attributes of its own at first
		return nil, nil
	}
	out := map[string]string{}
	value := make([]byte, maxXattrs)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		n, err := unix.Fgetxattr(fd, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue // gone, or not for us
		}
		if err != nil {
			return nil, err
		}
		out[name] = string(value[:n])
	}
	return out, nil
}
