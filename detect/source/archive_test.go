package source

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"s2i/lifecycle/archive"
)

// tarOf makes a tar stream of files as put writes them, below prefix.
func tarOf(t testing.TB, prefix string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, content string) {
		h.Name, h.Size, h.ModTime = prefix+h.Name, int64(len(content)), time.Unix(1e9, 0)
		_, err := io.WriteString(w, "")
		if err = errors.Join(err, w.WriteHeader(h)); err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if prefix != "" {
		add(&tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}, "")
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			add(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o700}, "")
		case isLink:
			add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}, "")
		case strings.HasPrefix(content, "#!"):
			add(&tar.Header{Name: name, Mode: 0o700}, content)
		default:
			add(&tar.Header{Name: name, Mode: 0o600, Uid: 1234, Uname: "me"}, content)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipOf makes a zip file of files as put writes them, below prefix.
func zipOf(t testing.TB, prefix string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		h := &zip.FileHeader{Name: prefix + name, Method: zip.Deflate, Modified: time.Unix(1e9, 0)}
		h.SetMode(0o600)
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			h.SetMode(fs.ModeSymlink | 0o777)
			content = target
		} else if strings.HasPrefix(content, "#!") {
			h.SetMode(0o711)
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(w io.Writer) (io.WriteCloser, error)    { return gzip.NewWriter(w), nil }
func zst(w io.Writer) (io.WriteCloser, error)   { return zstd.NewWriter(w) }
func lzma2(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }

func archives(t testing.TB) map[string][]byte {
	plain := tarOf(t, "", app)
	return map[string][]byte{
		"app.tar":        plain,
		"dot.tar":        tarOf(t, "./", app),
		"top.tar":        tarOf(t, "app-1.0/", app),
		"app.tar.gz":     compressed(t, plain, gz),
		"app.tar.zst":    compressed(t, plain, zst),
		"app.tar.xz":     compressed(t, plain, lzma2),
		"app.zip":        zipOf(t, "", app),
		"top.zip":        zipOf(t, "app-1.0/", app),
		"mac.zip":        zipOf(t, "", withFile(app, "__MACOSX/._main.go", "x")),
		"misnamed.thing": compressed(t, plain, gz),
	}
}

func withFile(files map[string]string, name, content string) map[string]string {
	files = maps.Clone(files)
	files[name] = content
	return files
}

func TestSameDigestFromArchives(t *testing.T) {
	want := digest(t, open(t, put(t, t.TempDir(), app), Options{}))
	for name, data := range archives(t) {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			o := Options{TempDir: temp}
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			for _, ref := range []string{path, path + "#sha256=" + hex.EncodeToString(sum[:])} {
				tree := open(t, ref, o)
				if got := digest(t, tree); got != want {
					t.Errorf("%s has digest %s, want %s: %v", ref, got, want, paths(tree))
				}
				if err := tree.CopyTo(t.Context(), t.TempDir()); err != nil {
					t.Error(err)
				}
				if err := tree.Close(); err != nil {
					t.Error(err)
				}
			}
			for ref, stdin := range map[string]io.Reader{
				"-":                                      bytes.NewReader(data),
				"-#sha256=" + hex.EncodeToString(sum[:]): iotest.HalfReader(bytes.NewReader(data)),
			} {
				o.Stdin = stdin
				tree := open(t, ref, o)
				if got := digest(t, tree); got != want {
					t.Errorf("on standard input (%s): digest %s, want %s", ref, got, want)
				}
				if err := tree.Close(); err != nil {
					t.Error(err)
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestArchiveSubdirectories(t *testing.T) {
	for name, data := range archives(t) {
		tree := open(t, "-#:static", Options{Stdin: bytes.NewReader(data)})
		if got := strings.Join(paths(tree), " "); got != "a.txt b b-2 b/c" {
			t.Errorf("%s: static is %s", name, got)
		}
	}
	tree := open(t, "-#:app-1.0/static", Options{Stdin: bytes.NewReader(tarOf(t, "app-1.0/", app))})
	if got := strings.Join(paths(tree), " "); got != "a.txt b b-2 b/c" {
		t.Errorf("from the archive's top, static is %s", got)
	}
	_, err := Open(t.Context(), "-#:missing", Options{Stdin: bytes.NewReader(tarOf(t, "", app))})
	if err == nil || !strings.Contains(err.Error(), "no such directory") {
		t.Errorf("a missing subdirectory: %v", err)
	}
}

func TestHostileArchives(t *testing.T) {
	raw := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	zipWith := func(change func(*zip.FileHeader), content string) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "a", Method: zip.Deflate}
		h.SetMode(0o644)
		change(h)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	small := archive.Limits{Entries: 10, Bytes: 1000, FileBytes: 600}
	encrypted := zipWith(func(*zip.FileHeader) {}, "x")
	encrypted[bytes.Index(encrypted, []byte("PK\x01\x02"))+8] |= 1
	lying := zipWith(func(*zip.FileHeader) {}, strings.Repeat("x", 500))
	at := bytes.Index(lying, []byte("PK\x01\x02")) + 24
	binary.LittleEndian.PutUint32(lying[at:], 5)
	twice := zipOf(t, "", map[string]string{"a": "1", "b": "2"})
	twice = bytes.ReplaceAll(twice, []byte("b\x00\x00"), []byte("a\x00\x00"))
	if i := bytes.LastIndex(twice, []byte("b")); i > 0 && bytes.Contains(twice[i:], []byte("PK\x05\x06")) {
		twice[i] = 'a'
	}
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "it is empty", nil},
		{"text", `it starts with "<!DOCTYPE html>"`, []byte("<!DOCTYPE html>")},
		{"compressed text", "it starts with", compressed(t, []byte("hello"), gz)},
		{"broken gzip", "gzip", []byte("\x1f\x8bnonsense and more of it")},
		{"truncated", "unexpected EOF", tarOf(t, "", app)[:517]},
		{"tar climbs", "leads out", raw(tar.Header{Name: "../a", Mode: 0o644})},
		{"tar device", "a device is not allowed", raw(tar.Header{Name: "a", Typeflag: tar.TypeChar})},
		{"tar pipe", "a named pipe is not allowed", raw(tar.Header{Name: "a", Typeflag: tar.TypeFifo})},
		{"tar link out", "absolute path", raw(tar.Header{Name: "d/a", Linkname: "/etc", Typeflag: tar.TypeSymlink})},
		{"tar link up", "leaves the tree", raw(tar.Header{Name: "a", Linkname: "..", Typeflag: tar.TypeSymlink}, tar.Header{Name: "b"})},
		{"tar through a link", "", raw(tar.Header{Name: "a", Linkname: "/tmp", Typeflag: tar.TypeSymlink},
			tar.Header{Name: "a/written", Mode: 0o644})},
		{"tar whiteout", "whiteout", raw(tar.Header{Name: ".wh.a"})},
		{"tar of many", "exceeds its limit", tarOf(t, "", map[string]string{"a/b/c/d/e/f/g/h/i/j/k": "x"})},
		{"tar of much", "exceeds its limit", raw(tar.Header{Name: "a", Size: 500}, tar.Header{Name: "b", Size: 501})},
		{"tar with a large file", "exceeds its limit", raw(tar.Header{Name: "a", Size: 601})},
		{"tar name not UTF-8", `not UTF-8`, raw(tar.Header{Name: "a\xff", Format: tar.FormatGNU})},
		{"zip climbs", "leads out", zipOf(t, "", map[string]string{"a/../../b": "x"})},
		{"zip backslash", `holds "\"`, zipOf(t, "", map[string]string{`a\b`: "x"})},
		{"zip of many", "exceeds its limit", zipOf(t, "", map[string]string{"a/b/c/d/e/f/g/h/i/j/k": "x"})},
		{"zip of much", "exceeds its limit", zipOf(t, "", map[string]string{"a": strings.Repeat("x", 500), "b": strings.Repeat("x", 501)})},
		{"zip with a large file", "exceeds its limit", zipOf(t, "", map[string]string{"a": strings.Repeat("x", 601)})},
		{"zip that lies", "\"a\"", lying},
		{"zip link out", "absolute path", zipOf(t, "", map[string]string{"a": "-> /etc/passwd", "b": ""})},
		{"zip through a link", "unpacking", zipOf(t, "", map[string]string{"a": "-> /tmp", "a/written": ""})},
		{"zip link without a target", "proper target", zipOf(t, "", map[string]string{"a": "-> "})},
		{"zip device", "not allowed", zipWith(func(h *zip.FileHeader) { h.SetMode(fs.ModeDevice) }, "")},
		{"zip pipe", "not allowed", zipWith(func(h *zip.FileHeader) { h.SetMode(fs.ModeNamedPipe) }, "")},
		{"zip encrypted", "without a password", encrypted},
		{"zip with a file twice", "twice", twice},
		{"truncated zip", "zip", zipOf(t, "", app)[:200]},
	} {
		t.Run(c.name, func(t *testing.T) {
			temp := t.TempDir()
			_, err := Open(t.Context(), "-", Options{Stdin: bytes.NewReader(c.data), TempDir: temp, Limits: small})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), " -: ") {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if _, err := os.Lstat("/tmp/written"); err == nil {
				t.Error("something was written outside")
			}
		})
	}
}

func TestXZWindow(t *testing.T) {
	data := compressed(t, []byte("x"), lzma2)
	data[bytes.IndexByte(data[14:], 0x21)+14+2] = 39 // 3 GiB
	// The block header's checksum has to fit the change, or the window is never looked at.
	header := data[12 : 12+4*(int(data[12])+1)]
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
	_, err := Open(t.Context(), "-", Options{Stdin: bytes.NewReader(data)})
	if err == nil || !strings.Contains(err.Error(), "exceeds") {
		t.Errorf("a window of 3 GiB: %v", err)
	}
}

func TestWrongChecksum(t *testing.T) {
	data := tarOf(t, "", app)
	_, err := Open(t.Context(), "-#sha256="+strings.Repeat("0", 64), Options{Stdin: bytes.NewReader(data)})
	if err == nil || !strings.Contains(err.Error(), "not 0000") {
		t.Errorf("error %v", err)
	}
}

func TestURLs(t *testing.T) {
	files := archives(t)
	want := digest(t, open(t, put(t, t.TempDir(), app), Options{}))
	tries := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries[r.URL.Path]++
		name := filepath.Base(r.URL.Path)
		switch {
		case r.URL.Path == "/busy/app.tar" && tries[r.URL.Path] == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/broken/app.tar" && r.Header.Get("Range") == "":
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", fmt.Sprint(len(files[name])))
			_, _ = w.Write(files[name][:1000])
		case r.URL.Path == "/broken/app.tar":
			w.Header().Set("ETag", `"1"`)
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(files[name]))
		case r.URL.Path == "/moved/app.tar":
			http.Redirect(w, r, "/app.tar", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/private"):
			if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			fallthrough
		default:
			data, ok := files[name]
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(data)
		}
	}))
	defer server.Close()
	home := t.TempDir()
	put(t, home, map[string]string{".netrc": "machine 127.0.0.1 login me password s3cret\n"})
	netrc := func(name string) string { return map[string]string{"HOME": home}[name] }
	none := func(string) string { return "" }
	for path, getenv := range map[string]func(string) string{
		"/app.tar.gz": none, "/top.zip": none, "/misnamed.thing": none, "/misnamed.thing?x=1": none,
		"/busy/app.tar": none, "/broken/app.tar": none, "/moved/app.tar": none, "/private/app.tar": netrc,
	} {
		tree := open(t, server.URL+path, Options{Getenv: getenv})
		if got := digest(t, tree); got != want {
			t.Errorf("%s has digest %s, want %s", path, got, want)
		}
	}
	if tries["/broken/app.tar"] != 2 {
		t.Errorf("the broken download was tried %d times", tries["/broken/app.tar"])
	}
	inURL := strings.Replace(server.URL, "://", "://me:s3cret@", 1)
	if got := digest(t, open(t, inURL+"/private/app.tar", Options{Getenv: none})); got != want {
		t.Error("with a login in the URL: another digest")
	}
	for ref, want := range map[string]string{
		server.URL + "/missing.tar":                                                      "404",
		server.URL + "/missing":                                                          "404",
		server.URL + "/misnamed.thing#main":                                              "no branch or commit",
		server.URL + "/private/app.tar":                                                  "404",
		server.URL + "/app.tar#sha256=" + strings.Repeat("0", 64):                        "not 0000",
		strings.Replace(inURL, "s3cret", "s3crets", 1) + "/private/app.tar?token=s3cret": "404",
	} {
		_, err := Open(t.Context(), ref, Options{Getenv: none})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want %q in it and no secret", ref, err, want)
		}
	}
	_, err := Open(t.Context(), server.URL+"/app.tar", Options{Getenv: none, Limits: archive.Limits{Bytes: 100}})
	if !errors.Is(err, archive.ErrLimit) {
		t.Errorf("a download larger than the limit: %v", err)
	}
}

func TestNoRedirectToPlainHTTP(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer server.Close()
	client := newClient()
	client.Transport = server.Client().Transport
	_, err := Open(t.Context(), server.URL+"/a.tar", Options{Client: client, Getenv: func(string) string { return "" }})
	if err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("error %v", err)
	}
}

func FuzzArchive(f *testing.F) {
	for _, data := range archives(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		temp := t.TempDir()
		tree, err := Open(t.Context(), "-", Options{Stdin: bytes.NewReader(data), TempDir: filepath.Clean(temp),
			Limits: archive.Limits{Entries: 100, Bytes: 1 << 20, FileBytes: 1 << 20}})
		if err == nil {
			if _, err := tree.Digest(t.Context()); err != nil {
				t.Error(err)
			}
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func TestModesOfAnArchiveDoNotMatter(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "d/", Mode: 0},
		{Name: "d/closed", Size: 1, Mode: 0},
		{Name: "d/setuid", Size: 1, Mode: 0o4711},
	} {
		err := w.WriteHeader(&h)
		if err == nil && h.Size > 0 {
			_, err = w.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := put(t, t.TempDir(), map[string]string{"closed": "x", "setuid": "x"})
	if err := os.Chmod(filepath.Join(dir, "setuid"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := digest(t, open(t, dir, Options{}))
	if got := digest(t, open(t, "-", Options{Stdin: &b})); got != want {
		t.Errorf("the digest is %s, want %s", got, want)
	}
}
