//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	v1tarball "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
)

// hostile is a Dockerfile with what it works on. OUTSIDE stands for a directory that nothing may reach.
type hostile struct {
	text    string            // the Dockerfile
	links   map[string]string // symbolic links in the context
	archive []tar.Header      // evil.tar in the context; files hold "evil"
	base    []tar.Header      // the layer of the image evil
	rawADD  []byte            // evil.tar as it is
	rawBase []byte            // that layer as it is, compressed or not
	fails   string            // what the error says; empty when the build may pass, without harm
	args    []string
	env     string
}

// TestDockerfileHostile builds what tries to get out of its place, or to use up the machine.
func TestDockerfileHostile(t *testing.T) {
	t.Parallel()
	base, store := dockerfileBase(t), ownStore(t)
	t.Cleanup(func() { // the subtests are over then
		intact(t, store)
		dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM base\nRUN touch /made\n"})
		_, text, err := in(store, "build", "--strategy", "dockerfile", dir, "-t", "after", "--build-context",
			"base=oci-layout://"+strings.TrimPrefix(base, "oci:")).try(context.Background())
		if err != nil {
			t.Errorf("an ordinary build afterwards: %v\n%s", err, text)
		}
	})
	const little, exceeds = "S2I_MAX_UNPACKED=8MB", "--max-unpacked"
	zeros := tarOf(t, &tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: 64 << 20, Mode: 0o644})
	many := tarOf(t, &tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Size: 8 << 20, Mode: 0o644})
	const huge = 1_000_000_000_000_000_000
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 4, Mode: 0o644}
	}
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	hard := func(name, to string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to} }
	accounts := "COPY --chown=alice Dockerfile /f\n"
	for name, h := range map[string]hostile{
		"context link out":               {text: "FROM scratch\nCOPY out/secret /\n", links: map[string]string{"out": "OUTSIDE"}, fails: "is not there"},
		"context link cycle":             {text: "FROM scratch\nCOPY a/x /\n", links: map[string]string{"a": "b", "b": "a"}, fails: "too many levels"},
		"source above the context":       {text: "FROM scratch\nCOPY ../../../../../OUTSIDE/secret /x\n", fails: "is not there"},
		"link out of the image":          {text: "FROM base\nRUN ln -s OUTSIDE /out && ln -s ../../../../../OUTSIDE /up\nCOPY Dockerfile /out/new\nCOPY Dockerfile /up/newer\n"},
		"working directory outside":      {text: "FROM base\nRUN ln -s OUTSIDE /out\nWORKDIR /out/../../../new\nWORKDIR /out/new\nRUN touch here\n"},
		"archive with dot dot":           {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{file("../../../evil")}, fails: "leads out"},
		"archive with dot dot far down":  {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{file("a/../../../../evil")}, fails: "leads out"},
		"archive link to a directory":    {text: "FROM base\nADD evil.tar /x/\n", archive: []tar.Header{link("d", "OUTSIDE"), file("d/evil")}},
		"archive link upwards":           {text: "FROM base\nADD evil.tar /x/\n", archive: []tar.Header{link("d", "../../../../../OUTSIDE"), file("d/evil")}},
		"archive through the image link": {text: "FROM base\nRUN mkdir /x && ln -s OUTSIDE /x/d\nADD evil.tar /x/\n", archive: []tar.Header{file("d/evil")}},
		"archive hard link out":          {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{hard("h", "../../../../etc/passwd")}, fails: "leads out"},
		"archive hard link to the host":  {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{hard("h", "OUTSIDE/secret")}, fails: "evil.tar"},
		"archive link cycle":             {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{link("a", "b"), link("b", "a"), file("a/evil")}, fails: "too many levels"},
		"archive of absurd size":         {text: "FROM scratch\nADD evil.tar /x/\n", archive: []tar.Header{{Name: "big", Typeflag: tar.TypeReg, Size: huge}}, fails: "evil.tar"},
		"archive with whiteouts":         {text: "FROM base\nADD evil.tar /\n", archive: []tar.Header{file("etc/.wh.passwd")}, fails: ".wh."},
		"base with dot dot":              {text: "FROM evil\nCOPY Dockerfile /x\nRUN true\n", base: []tar.Header{file("../../evil")}, fails: "leads out"},
		"base hard link to the host":     {text: "FROM evil\nRUN true\n", base: []tar.Header{hard("h", "../../../../../OUTSIDE/secret")}, fails: "leads out"},
		"base with link for etc":         {text: "FROM evil\nCOPY Dockerfile /etc/evil\n", base: []tar.Header{link("etc", "OUTSIDE")}},
		"base of absurd size":            {text: "FROM evil\nCOPY Dockerfile /x\n", base: []tar.Header{{Name: "big", Typeflag: tar.TypeReg, Size: huge}}, fails: "big"},
		"base with accounts in a pipe":   {text: "FROM evil\n" + accounts, base: []tar.Header{{Name: "etc/passwd", Typeflag: tar.TypeFifo}}, fails: "passwd"},
		"base with accounts in a link":   {text: "FROM evil\n" + accounts, base: []tar.Header{link("etc/passwd", "OUTSIDE/passwd")}, fails: "alice"},
		"base with a device":             {text: "FROM evil\nCOPY Dockerfile /x\n", base: []tar.Header{{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8}}},
		"archive is a gzip bomb":         {text: "FROM scratch\nADD evil.tar /x/\n", rawADD: gzipped(t, zeros), env: little, fails: exceeds},
		"archive is a zstd bomb":         {text: "FROM scratch\nADD evil.tar /x/\n", rawADD: zstandard(t, zeros), env: little, fails: exceeds},
		"archive of an absurd hole":      {text: "FROM scratch\nADD evil.tar /x/\n", rawADD: hole(t, huge), fails: exceeds},
		"base is a gzip bomb":            {text: "FROM evil\nRUN true\n", rawBase: gzipped(t, zeros), env: little, fails: exceeds},
		"base is a gzip bomb, not run":   {text: "FROM evil\nCOPY Dockerfile /x\n", rawBase: gzipped(t, zeros), env: little, fails: exceeds},
		"base with an absurd hole":       {text: "FROM evil\nRUN true\n", rawBase: hole(t, huge), fails: exceeds},
		"base with a hole, not run":      {text: "FROM evil\nCOPY Dockerfile /x\n", rawBase: hole(t, huge), fails: exceeds},
		"base with huge accounts":        {text: "FROM evil\n" + accounts, rawBase: gzipped(t, many), fails: "larger than"},
		"base with huge accounts, run":   {text: "FROM evil\nUSER alice\nRUN [\"/x\"]\n", rawBase: gzipped(t, many), fails: "larger than"},
		"stages in a circle":             {text: "FROM base AS a\nCOPY --from=b /x /x\nFROM a AS b\n", fails: "stages before it"},
		"too many processes":             {text: "FROM base\nRUN i=0; while [ $i -lt 200 ]; do sleep 60 & i=$((i+1)); done\n", args: []string{"--pids", "60"}, fails: "s2i:"},
		"too much memory":                {text: "FROM base\nRUN head -c 400000000 /dev/zero | tail -c 400000000 >/dev/null\n", args: []string{"--memory", "64MB"}, fails: "s2i:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.check(t, store, base)
		})
	}
}

func (h *hostile) check(t *testing.T, store, base string) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "the host's\n", "passwd": "alice:x:1:1::/:\n"})
	named := strings.NewReplacer("/OUTSIDE", outside, "OUTSIDE", outside)
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": named.Replace(h.text)})
	for name, to := range h.links {
		if err := os.Symlink(named.Replace(to), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if h.archive != nil {
		h.rawADD = evilTar(h.archive, named)
	}
	if h.rawADD != nil {
		write(t, dir, map[string]string{"evil.tar": string(h.rawADD)})
	}
	image := filepath.Join(t.TempDir(), "image")
	args := append([]string{"build", "--strategy", "dockerfile", dir, "-t", "oci:" + image + ":1", "--build-context",
		"base=oci-layout://" + strings.TrimPrefix(base, "oci:")}, h.args...)
	if h.base != nil {
		h.rawBase = evilTar(h.base, named)
	}
	if h.rawBase != nil {
		args = append(args, "--build-context", "evil=oci-layout://"+evilImage(t, h.rawBase))
	}
	out, text, err := withEnv(in(store, args...), h.env).try(t.Context())
	if h.fails != "" && (err == nil || !strings.Contains(text, named.Replace(h.fails)) || code(err) == 2) {
		t.Errorf("got %v, want an error with %q:\n%s%s", err, h.fails, out, text)
	}
	if h.fails == "" && err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	found, err := os.ReadDir(outside)
	if err != nil || len(found) != 2 {
		t.Errorf("the directory outside holds %v (%v)", found, err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); string(data) != "the host's\n" {
		t.Errorf("the file outside is %q (%v)", data, err)
	}
	if h.fails == "" {
		if files := unpackImage(t, image).files; strings.Contains(strings.Join(values(files), "\n"), "the host's") {
			t.Error("the image holds what is outside")
		}
	}
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// evilTar writes headers as they are, with content for small files only.
func evilTar(headers []tar.Header, named *strings.Replacer) []byte {
	var buf bytes.Buffer
	for _, h := range headers {
		var one bytes.Buffer
		w := tar.NewWriter(&one)
		h.Linkname = named.Replace(h.Linkname)
		_ = w.WriteHeader(&h)
		if h.Typeflag == tar.TypeReg && h.Size == 4 {
			_, _ = w.Write([]byte("evil"))
		}
		_ = w.Flush()
		buf.Write(one.Bytes())
	}
	buf.Write(make([]byte, 1024))
	return buf.Bytes()
}

// evilImage makes a layout of one layer, of the type that docker gives layers.
func evilImage(t *testing.T, layer []byte) string {
	t.Helper()
	l, err := v1tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers", DiffIDs: mustDiffID(t, l)}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})); err != nil {
		t.Fatal(err)
	}
	return dir + ":1"
}

func mustDiffID(t *testing.T, l v1.Layer) []v1.Hash {
	t.Helper()
	id, err := l.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return []v1.Hash{id}
}

// tarOf makes an archive of one file of zeros.
func tarOf(t *testing.T, h *tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, h.Size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// hole makes an archive of a file that is said to be a hole of that size (sparse format 1.0 of GNU tar, in PAX records).
func hole(t *testing.T, size int64) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	n := strconv.FormatInt(size, 10)
	h := &tar.Header{Name: "hole", Typeflag: tar.TypeReg, Size: 512, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{
		"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.name": "hole", "XXX.sparse.realsize": n}}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(append([]byte("1\n"+n+"\n0\n"), make([]byte, 512-5-len(n))...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(buf.Bytes(), []byte("XXX.sparse."), []byte("GNU.sparse.")) // which the writer would not write
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstandard(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(data, nil)
}

// intact looks whether every blob of a store is what its name says, and nothing half done is left.
func intact(t *testing.T, store string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(store, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		data, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != filepath.Base(b) {
			t.Errorf("blob %s is damaged", b)
		}
	}
	left, err := os.ReadDir(filepath.Join(store, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}
