package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Blobs, records and trees are not synced when they are written: waiting for the disk would take longer than most
// builds have to do, and a system that ends regularly writes everything. One that does not can leave files that were
// written just before without their content. Records and trees tell by themselves whether they are whole. So does a
// blob, by its name, but reading each before use would take as long: instead, the first process that opens the store
// after a start of the system reads those that the kernel may not have written in time, and removes what is damaged.

// bootFile holds the boot_id of the system under which the blobs were last found whole.
const bootFile = "boot"

// settle makes sure that no blob is damaged because the system ended without writing it.
func (s *Store) settle() error {
	id := bootID()
	s.sync = id == ""
	if s.sync || s.settled(id) {
		return nil
	}
	lock, err := lockFile(s.lockPath(bootFile), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer s.unlock(lock)
	if s.settled(id) {
		return nil
	}
	recent, err := s.recentBlobs()
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range recent {
		group.Go(func() error { return s.verify(name) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.writeFile(s.path(bootFile), []byte(id))
}

func (s *Store) settled(id string) bool {
	known, err := os.ReadFile(s.path(bootFile))
	return err == nil && string(known) == id
}

// recentBlobs are those that were written so shortly before anything last happened in the store that the kernel may
// not have come to it.
func (s *Store) recentBlobs() (names []string, err error) {
	entries, err := os.ReadDir(s.path("blobs", "sha256"))
	if err != nil {
		return nil, err
	}
	times := make(map[string]time.Time, len(entries))
	var last time.Time
	for _, e := range entries {
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		times[e.Name()] = st.ModTime()
		if st.ModTime().After(last) && st.ModTime().Before(time.Now()) {
			last = st.ModTime()
		}
	}
	for name, t := range times {
		if t.After(last.Add(-written)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// verify removes a blob that is not what its name says.
func (s *Store) verify(name string) error {
	f, err := os.Open(s.path("blobs", "sha256", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("reading blob %s: %w", name, err)
	}
	if hashOf(sum).Hex == name {
		return nil
	}
	return os.Remove(f.Name())
}
