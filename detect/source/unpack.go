package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// peekSize is enough to tell a tar header.
const peekSize = 512

// maxWindow bounds the memory that a compressed stream may ask for.
const maxWindow = 256 << 20

// openArchive opens an archive in a file, behind a URL, or on standard input.
func openArchive(ctx context.Context, r Ref, o Options) (*Tree, error) {
	t := &Tree{opts: o}
	err := t.unpackArchive(ctx, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the source archive %s: %w", r, err), t.Close())
	}
	return t, nil
}

func (t *Tree) unpackArchive(ctx context.Context, r Ref) error {
	temp, err := t.scratch()
	if err != nil {
		return err
	}
	spool := filepath.Join(temp, "archive")
	in := t.opts.Stdin
	switch {
	case r.Kind == Stdin:
	case schemeForm.MatchString(r.Location):
		if t.Made, err = download(ctx, r, t.opts, spool); err != nil {
			return err
		}
		r.Location = spool
		fallthrough
	default:
		f, err := os.Open(r.Location)
		if err != nil {
			return pathCause(err)
		}
		defer f.Close()
		in = f
	}
	dir := filepath.Join(temp, "tree")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("making a directory for the source: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{root: root, limits: t.opts.Limits, spool: spool, sha256: r.SHA256, jobs: t.opts.Jobs,
		raw: t.opts.Raw, lone: t.opts.Lone}
	if err := u.unpack(ctx, in); err != nil {
		return err
	}
	if t.Made.IsZero() {
		t.Made = u.newest
	}
	_ = os.Remove(spool)
	if t.opts.Raw {
		return t.load(ctx, dir, r.Subdir)
	}
	return t.load(ctx, dir, u.subdir(r.Subdir))
}

// unpacker unpacks one archive.
type unpacker struct {
	root   *os.Root
	limits archive.Limits
	spool  string // where to keep an archive that cannot be read as it comes
	sha256 string
	jobs   int
	raw    bool
	lone   string
	newest time.Time // of the files of a tar archive
}

func (u *unpacker) unpack(ctx context.Context, in io.Reader) (err error) {
	ctx, task := progress.Start(ctx, "Unpacking the source", 0)
	defer func() { task.End(err) }()
	file, seekable := in.(*os.File)
	if seekable {
		info, err := file.Stat()
		seekable = err == nil && info.Mode().IsRegular()
	}
	buffered := bufio.NewReaderSize(in, 256<<10)
	head, err := buffered.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == 0 {
		return errors.New("it is empty")
	}
	if isZip(head) || u.sha256 != "" {
		if !seekable {
			if file, err = u.keep(ctx, buffered); err != nil {
				return err
			}
			defer file.Close()
		}
		if err := u.verify(ctx, file); err != nil {
			return err
		}
		if isZip(head) {
			return u.zip(ctx, file)
		}
		buffered = bufio.NewReaderSize(file, 256<<10)
	}
	return u.tar(ctx, buffered)
}

// keep writes the archive to a temporary file.
func (u *unpacker) keep(ctx context.Context, in io.Reader) (*os.File, error) {
	f, err := os.OpenFile(u.spool, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keeping the archive: %w", err)
	}
	n, err := io.Copy(f, io.LimitReader(archive.Until(ctx, in), u.limits.Bytes+1))
	if err == nil && n > u.limits.Bytes {
		err = fmt.Errorf("%w of %d bytes", archive.ErrLimit, u.limits.Bytes)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keeping the archive: %w", err), f.Close())
	}
	return f, nil
}

// verify compares the checksum, when one is asked for, and rewinds.
func (u *unpacker) verify(ctx context.Context, f *os.File) error {
	if u.sha256 != "" {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		h := sha256.New()
		if _, err := io.Copy(h, archive.Until(ctx, f)); err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != u.sha256 {
			return fmt.Errorf("its sha256 is %s, not %s as asked for; either it was replaced, or the checksum is of another file",
				got, u.sha256)
		}
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (u *unpacker) tar(ctx context.Context, in *bufio.Reader) error {
	plain, done, err := decompress(in)
	if err != nil {
		return err
	}
	defer done()
	inner := bufio.NewReaderSize(plain, 256<<10)
	head, err := inner.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("decompressing it: %w", err)
	}
	if !isTar(head) {
		if u.lone != "" && utf8.Valid(head[:max(0, len(head)-utf8.UTFMax)]) && !bytes.Contains(head, []byte{0}) {
			return u.text(inner)
		}
		return fmt.Errorf("it is neither tar (plain, gzip, zstd, xz, bzip2) nor zip: it starts with %.32q", head)
	}
	o := archive.ExtractOptions{Limits: u.limits, Whiteouts: archive.WhiteoutsRefuse, Keep: wanted, Seen: u.see}
	if u.raw {
		o.Keep = nil
	}
	return archive.Extract(ctx, inner, u.root, o)
}

// see notes the time of the newest file.
func (u *unpacker) see(h *tar.Header) {
	if h.Typeflag == tar.TypeReg && h.ModTime.After(u.newest) {
		u.newest = h.ModTime
	}
}

// text writes what is no archive as the only file.
func (u *unpacker) text(in io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(in, maxRulesFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxRulesFile {
		return fmt.Errorf("it is no archive, and larger than %d bytes", maxRulesFile)
	}
	return u.root.WriteFile(u.lone, data, 0o644)
}

// decompress finds out by the first bytes how a stream is compressed.
func decompress(in *bufio.Reader) (io.Reader, func(), error) {
	head, _ := in.Peek(peekSize)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(in)
		return r, func() {}, err
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return r, r.Close, nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		r, err := xz.NewReader(in, maxWindow)
		return r, func() {}, err
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(in), func() {}, nil
	}
	return in, func() {}, nil
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// isTar tells a tar header by its checksum, which every variant has, or an empty archive.
func isTar(head []byte) bool {
	if len(head) < peekSize {
		return false
	}
	const at, length = 148, 8
	var sum, stated int64
	zero := true
	for i, b := range head {
		zero = zero && b == 0
		if i >= at && i < at+length {
			b = ' '
		}
		sum += int64(b)
	}
	for _, b := range bytes.Trim(head[at:at+length], " \x00") {
		if b < '0' || b > '7' {
			return false
		}
		stated = stated<<3 | int64(b-'0')
	}
	return zero || sum == stated
}

// wanted leaves out of an archive what never belongs to a tree: repositories, and what macOS adds.
func wanted(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return first != "__MACOSX" && name != ".git" && !strings.HasPrefix(name, ".git/") &&
		!strings.Contains(name, "/.git/") && !strings.HasSuffix(name, "/.git")
}

// subdir is where the tree is in what was unpacked: below the only directory at the top, if there is one.
func (u *unpacker) subdir(want string) string {
	names, err := fs.ReadDir(u.root.FS(), ".")
	if err != nil || len(names) != 1 || !names[0].IsDir() {
		return want
	}
	top := names[0].Name()
	inner := path.Join(top, want)
	if _, err := u.root.Stat(inner); err != nil {
		if _, err := u.root.Stat(path.Join(".", want)); err == nil {
			return want
		}
	}
	return inner
}
