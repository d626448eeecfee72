package dockerfile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// digests knows what the files of a build context hold. A file that stat says is the one that was read before is not
// read again: same inode, size and times, and not so young that a change could have gone unnoticed.
type digests struct {
	records Records // may be nil
	dir     string  // of the context, by which the records are kept

	mu      sync.Mutex
	files   map[string]fileRecord // by name; nil until what earlier builds knew is loaded
	dirty   bool
	running map[string]*hashing
}

// fileRecord is what was known of a file when its content was read.
type fileRecord struct {
	ino          uint64
	size         int64
	mtime, ctime int64 // ns
	digest       [sha256.Size]byte
	// young says that the file had just been changed; then it is known for this build only.
	young bool
}

// hashing is a file that is being read.
type hashing struct {
	done   chan struct{}
	digest string
	err    error
}

const recordContext = "dockerfile-context"

// racy is the age below which a file's times do not tell whether it changed again.
const racy = 20 * time.Millisecond

func recordOf(st *unix.Stat_t) fileRecord {
	return fileRecord{ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}
}

// same tells whether two records are of the same state of a file.
func (r fileRecord) same(other fileRecord) bool {
	return r.ino == other.ino && r.size == other.size && r.mtime == other.mtime && r.ctime == other.ctime
}

// known gives the digest of a file that has not changed since it was read; "" for any other.
func (d *digests) known(name string, st *unix.Stat_t) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.load()
	if r, ok := d.files[name]; ok && r.same(recordOf(st)) {
		return hex.EncodeToString(r.digest[:])
	}
	return ""
}

// unchanged tells whether an open file is still what was known of it, if anything was.
func (d *digests) unchanged(name string, f *os.File) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.files[name]
	return !ok || r.same(recordOf(&st))
}

// digest reads a file. Several callers that ask for the same one at the same time share one reading.
func (d *digests) digest(ctx context.Context, name string, open func(string) (*os.File, error)) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	d.mu.Lock()
	h, busy := d.running[name]
	if !busy {
		h = &hashing{done: make(chan struct{})}
		d.running[name] = h
	}
	d.mu.Unlock()
	if busy {
		<-h.done
		return h.digest, h.err
	}
	h.digest, h.err = d.read(name, open)
	d.mu.Lock()
	delete(d.running, name)
	d.mu.Unlock()
	close(h.done)
	return h.digest, h.err
}

func (d *digests) read(name string, open func(string) (*os.File, error)) (string, error) {
	began := time.Now()
	f, err := open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", fmt.Errorf("reading %s in the build context: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{f}, make([]byte, min(max(st.Size+1, 512), 128<<10))); err != nil {
		return "", fmt.Errorf("reading %s in the build context: %w", name, err)
	}
	r := recordOf(&st)
	r.young = began.UnixNano()-r.ctime <= int64(racy)
	sum.Sum(r.digest[:0])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.load()
	d.files[name], d.dirty = r, true
	return hex.EncodeToString(r.digest[:]), nil
}

// load reads what earlier builds knew, once.
func (d *digests) load() {
	if d.files != nil {
		return
	}
	var data []byte
	if d.records != nil && d.records.Record(recordContext, d.dir, &data) == nil {
		d.files = decodeRecords(data)
	}
	if d.files == nil {
		d.files = map[string]fileRecord{}
	}
}

// save remembers what is known for later builds.
func (d *digests) save() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirty && d.records != nil {
		_ = d.records.SetRecord(recordContext, d.dir, encodeRecords(d.files)) // it only saves work
	}
}

// encodeRecords writes records in a form that is read much faster than JSON.
func encodeRecords(files map[string]fileRecord) []byte {
	out := []byte{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r := files[name]
		if r.young {
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		for _, n := range []uint64{r.ino, uint64(r.size), uint64(r.mtime), uint64(r.ctime)} {
			out = binary.LittleEndian.AppendUint64(out, n)
		}
		out = append(out, r.digest[:]...)
	}
	return out
}

// decodeRecords reads what encodeRecords wrote; nil when it is anything else.
func decodeRecords(data []byte) map[string]fileRecord {
	const fixed = 4*8 + sha256.Size
	files := make(map[string]fileRecord, len(data)/(fixed+32))
	for len(data) > 0 {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)) || len(data) < n+int(length)+fixed {
			return nil
		}
		name := string(data[n : n+int(length)])
		data = data[n+int(length):]
		word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8*i:]) }
		r := fileRecord{ino: word(0), size: int64(word(1)), mtime: int64(word(2)), ctime: int64(word(3))}
		copy(r.digest[:], data[4*8:])
		files[name], data = r, data[fixed:]
	}
	return files
}
