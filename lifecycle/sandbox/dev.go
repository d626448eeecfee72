package sandbox

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeDev makes what a container finds in /dev. Where no devices can be made (that takes CAP_MKNOD, which docker gives
// root by default, and podman and CRI-O do not) other files do their work: an empty file is /dev/null, and pipes that are
// written to all the time are /dev/zero and /dev/urandom.
func (t *putter) makeDev(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(dir, "shm"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		file := filepath.Join(dir, d.name)
		err := unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor)))
		if errors.Is(err, unix.EPERM) {
			return t.imitateDev(dir)
		}
		if err == nil {
			err = os.Chmod(file, 0o666)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// imitateDev makes files that stand in for devices.
func (t *putter) imitateDev(dir string) error {
	null := filepath.Join(dir, "null")
	if err := errors.Join(os.WriteFile(null, nil, 0o600), os.Chmod(null, 0o666)); err != nil {
		return err
	}
	for name, source := range map[string]io.Reader{"zero": zeros{}, "random": rand.Reader, "urandom": rand.Reader} {
		file := filepath.Join(dir, name)
		if err := errors.Join(unix.Mkfifo(file, 0o600), os.Chmod(file, 0o666)); err != nil {
			return err
		}
		pipe, err := os.OpenFile(file, os.O_RDWR, 0) // so that it stays open while nobody reads
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(pipe, source) }()
		t.undos = append(t.undos, pipe.Close)
	}
	return nil
}

// zeros is an endless row of zeros.
type zeros struct{}

// Read fills p with zeros.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
