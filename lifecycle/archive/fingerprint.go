package archive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the coarsest step in which a local file system's clock advances (10 ms with a 100 Hz kernel), doubled.
// A change within one tick of another can have the same ctime, and so go unnoticed.
const tick = 20 * time.Millisecond

// Fingerprint describes a tree by what stat tells (path, type, size, mode, mtime, ctime, inode, link target) except where it lies,
// without reading any file. Two equal fingerprints mean that nothing changed in between. settled is false when something
// changed so recently that a later change could go unnoticed; such a fingerprint must not be remembered. Where
// waiting a few milliseconds makes the difference, Fingerprint waits and looks again.
func Fingerprint(ctx context.Context, dir string) (sum string, settled bool, err error) {
	sum, wait, err := fingerprint(ctx, dir)
	if err != nil || wait == 0 || wait > tick {
		return sum, wait == 0, err
	}
	select {
	case <-ctx.Done():
		return "", false, context.Cause(ctx)
	case <-time.After(wait):
	}
	sum, wait, err = fingerprint(ctx, dir)
	return sum, wait == 0, err
}

// Glance is Fingerprint for comparing with another one: it never waits and does not tell whether it is settled.
func Glance(ctx context.Context, dir string) (sum string, err error) {
	sum, _, err = fingerprint(ctx, dir)
	return sum, err
}

// fingerprint also gives how long to wait until the fingerprint can be trusted.
func fingerprint(ctx context.Context, dir string) (sum string, wait time.Duration, err error) {
	start := time.Now()
	newest, coarse := int64(0), true
	h := sha256.New()
	buf := make([]byte, 0, 512)
	err = Walk(ctx, dir, func(f *File) error {
		target := ""
		if f.Stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			if target, err = f.Readlink(); err != nil {
				return fmt.Errorf("reading link %s/%s: %w", dir, f.Rel, err)
			}
		}
		ctime := f.Stat.Ctim.Nano()
		newest = max(newest, ctime)
		coarse = coarse && ctime%int64(time.Second) == 0
		buf = appendStat(buf[:0], f, target)
		h.Write(buf)
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	step := tick
	if coarse { // a file system that counts in seconds, or in two of them
		step = 3 * time.Second
	}
	if age := start.Sub(time.Unix(0, newest)); age < step {
		wait = step - age
	}
	return hex.EncodeToString(h.Sum(nil)), wait, nil
}

// appendStat writes what identifies a file's state, each variable part after its length.
func appendStat(b []byte, f *File, target string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Rel)))
	b = append(b, f.Rel...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(target)))
	b = append(b, target...)
	b = binary.LittleEndian.AppendUint32(b, f.Stat.Mode)
	b = binary.LittleEndian.AppendUint32(b, f.Stat.Uid)
	b = binary.LittleEndian.AppendUint32(b, f.Stat.Gid)
	if f.Stat.Mode&unix.S_IFMT != unix.S_IFDIR { // a directory's size says nothing
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Stat.Size))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(f.Stat.Mtim.Nano()))
	if f.Rel == "" { // moving the whole tree is no change in it
		return b
	}
	b = binary.LittleEndian.AppendUint64(b, f.Stat.Ino)
	return binary.LittleEndian.AppendUint64(b, uint64(f.Stat.Ctim.Nano()))
}
