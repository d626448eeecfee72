package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/progress"
)

// pinLock is shared by all who use blobs and trees, and taken alone by Prune.
const pinLock = "pin"

// Lock takes the exclusive lock name, waiting until it is free or ctx ends. The lock goes with the process.
func (s *Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := s.lock(ctx, name, unix.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("taking the lock %q of the store: %w", name, err)
	}
	return func() { s.unlock(f) }, nil
}

// LockShared takes the lock name together with others who share it, waiting until nobody has it alone or ctx ends.
func (s *Store) LockShared(ctx context.Context, name string) (unlock func(), err error) {
	f, err := s.lock(ctx, name, unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("sharing the lock %q of the store: %w", name, err)
	}
	return func() {
		if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil { // the last one clears up
			_ = os.Remove(f.Name())
		}
		_ = f.Close()
	}, nil
}

// TryLock takes the exclusive lock name if it is free now.
func (s *Store) TryLock(name string) (unlock func(), ok bool, err error) {
	f, err := lockFile(s.lockPath(name), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("taking the lock %q of the store: %w", name, err)
	}
	return func() { s.unlock(f) }, true, nil
}

// Pin keeps every blob and tree of the store from being pruned until release is called.
func (s *Store) Pin() (release func(), err error) {
	f, err := lockFile(s.lockPath(pinLock), unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("keeping the store from being pruned: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// lock waits for a lock. The kernel cannot be told to stop waiting, so a goroutine waits, and lets the lock go again
// when nobody wants it any more.
func (s *Store) lock(ctx context.Context, name string, how int) (*os.File, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	path := s.lockPath(name)
	f, err := lockFile(path, how|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return f, err
	}
	_, task := progress.Start(ctx, "waiting for another build to finish with "+name, 0)
	type result struct {
		f   *os.File
		err error
	}
	got := make(chan result)
	go func() {
		f, err := lockFile(path, how)
		select {
		case got <- result{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close()
			}
		}
	}()
	select {
	case r := <-got:
		task.End(r.err)
		return r.f, r.err
	case <-ctx.Done():
		task.End(context.Cause(ctx))
		return nil, context.Cause(ctx)
	}
}

// unlock lets an exclusive lock go and removes its file, which would otherwise stay for every name ever locked.
func (s *Store) unlock(f *os.File) {
	_ = os.Remove(f.Name())
	_ = f.Close()
}

// lockFile opens and locks a file. The file may have been removed between the one and the other by who held the lock,
// who must be asked again then: two locks on two files of one name would exclude nobody.
func lockFile(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, how); err != nil {
			_ = f.Close()
			return nil, err
		}
		if isAt(f, path) {
			return f, nil
		}
		_ = f.Close()
	}
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// isAt tells whether path still names the open file f.
func isAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(have, now)
}

func (s *Store) lockPath(name string) string {
	const cache = "cache-" // named as the directory of CacheDir, for Prune
	if key, ok := strings.CutPrefix(name, cache); ok {
		return s.path("locks", cache+fileName(key))
	}
	return s.path("locks", fileName(name))
}

// safeName is what can be a file name as it is. A dot at the start is for names of our own.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// fileName is a file name for any key: the key itself where that is possible.
func fileName(key string) string {
	if safeName.MatchString(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "_" + hex.EncodeToString(sum[:])
}
