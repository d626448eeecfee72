package sandbox

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// copyTree copies a file, or a directory with all that is in it, with owners and permissions.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyOne(path, filepath.Join(to, rel))
	})
}

func copyOne(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch kind := info.Mode().Type(); kind {
	case fs.ModeDir:
		err = os.Mkdir(to, 0o700)
	case fs.ModeSymlink:
		var link string
		if link, err = os.Readlink(from); err == nil {
			err = os.Symlink(link, to)
		}
	case 0:
		err = copyContent(from, to)
	default:
		return nil // pipes and sockets are nothing to copy
	}
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		err = os.Lchown(to, int(st.Uid), int(st.Gid))
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return err
	}
	return errors.Join(err, os.Chmod(to, info.Mode()), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

func copyContent(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// forward makes a socket at a place that leads to another.
func forward(at, socket string) (stop func() error, err error) {
	l, err := net.Listen("unix", at)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(at, 0o666); err != nil { //nolint:gosec // whoever runs may use it
		return nil, errors.Join(err, l.Close())
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go connect(c, socket)
		}
	}()
	return l.Close, nil
}

// connect passes everything on between two sockets.
func connect(c net.Conn, socket string) {
	defer c.Close()
	other, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer other.Close()
	go func() { _, _ = io.Copy(other, c); _ = other.(*net.UnixConn).CloseWrite() }() //nolint:forcetypeassert // of network unix
	_, _ = io.Copy(c, other)
}
