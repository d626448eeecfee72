package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"time"
)

// What is remembered between builds, by kind: digests of whole trees, and of large files, so that a change elsewhere
// in the tree does not make them be read again.
const (
	treeRecords = "source-tree"
	fileRecords = "source-file"
	largeFile   = 8 << 20
)

type treeRecord struct {
	Digest string `json:"digest"`
}

type fileRecord struct {
	SHA256 string `json:"sha256"`
}

// fingerprint is a digest of all that can be known of a tree without reading its files.
func fingerprint(entries []Entry) string {
	h := sha256.New()
	var b []byte
	for _, e := range entries {
		b = append(b[:0], byte(e.Kind))
		b = append(b, e.Path...)
		b = append(b, 0)
		b = append(b, e.Target...)
		b = append(b, 0)
		h.Write(e.stamp.append(b))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s stamp) append(b []byte) []byte {
	for _, v := range [...]uint64{s.dev, s.ino, uint64(s.size), uint64(s.mode), uint64(s.mtime), uint64(s.ctime)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// settledAt tells whether any later change of the entry will show in its stamp, because the clock of the file system
// has gone on since the last one. Directories have no stamp: what is in them is always listed.
func (e Entry) settledAt(t time.Time) bool {
	if e.Kind == Dir {
		return true
	}
	tick := 20 * time.Millisecond
	if e.stamp.ctime%int64(time.Second) == 0 {
		tick = 2 * time.Second // a file system that counts in seconds
	}
	return e.stamp.ctime+int64(tick) < t.UnixNano()
}

func (t *Tree) settled() bool {
	for _, e := range t.Entries {
		if !e.settledAt(t.began) {
			return false
		}
	}
	return true
}

func (t *Tree) recall(key string) (string, bool) {
	var r treeRecord
	if err := t.opts.Records.Record(treeRecords, key, &r); err != nil || r.Digest == "" {
		return "", false
	}
	return r.Digest, true
}

func (t *Tree) remember(ctx context.Context, key, digest string) {
	if err := t.opts.Records.SetRecord(treeRecords, key, treeRecord{digest}); err != nil {
		slog.DebugContext(ctx, "remembering the digest of the source tree", "error", err)
	}
}

func (t *Tree) remembersFile(e Entry) bool {
	return t.opts.Records != nil && !t.owned() && e.Size >= largeFile && e.settledAt(t.began)
}

func fileKey(e Entry) string {
	sum := sha256.Sum256(e.stamp.append(nil))
	return hex.EncodeToString(sum[:])
}

func (t *Tree) recallFile(e Entry) (sum [32]byte, ok bool) {
	if !t.remembersFile(e) {
		return sum, false
	}
	var r fileRecord
	if err := t.opts.Records.Record(fileRecords, fileKey(e), &r); err != nil {
		return sum, false
	}
	n, err := hex.Decode(sum[:], []byte(r.SHA256[:min(len(r.SHA256), 64)]))
	return sum, err == nil && n == len(sum)
}

func (t *Tree) rememberFile(ctx context.Context, e Entry, sum [32]byte) {
	if !t.remembersFile(e) {
		return
	}
	err := t.opts.Records.SetRecord(fileRecords, fileKey(e), fileRecord{hex.EncodeToString(sum[:])})
	if err != nil {
		slog.DebugContext(ctx, "remembering the digest of a source file", "path", e.Path, "error", err)
	}
}
