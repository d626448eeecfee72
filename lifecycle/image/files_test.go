package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func parse(t *testing.T, s string) Ref {
	t.Helper()
	ref, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestFileRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for _, s := range []string{
		"oci:" + dir + "/layout", "oci:" + dir + "/layout:v1", "oci:" + dir + "/layout:v2",
		"docker-archive:" + dir + "/a.tar", "docker-archive:" + dir + "/b.tar:app:1",
		"oci-archive:" + dir + "/c.tar:localhost:5000/app:1",
	} {
		t.Run(s[len(dir):], func(t *testing.T) {
			c, ref, img := testClient(), parse(t, s), randomImage(t, 3)
			if err := c.CheckWrite(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			published, err := c.Publish(t.Context(), img, []Ref{ref})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Published{{ref, digestOf(t, img)}}, published); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if strings.HasSuffix(s, "/layout") {
				return // unnamed among named ones, read below
			}
			back, err := testClient().Image(t.Context(), ref, target("amd64"))
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(back); err != nil {
				t.Error(err)
			}
			if got, want := digestOf(t, back), digestOf(t, img); got != want {
				t.Errorf("got digest %s, want %s", got, want)
			}
		})
	}
	idx, err := layout.ImageIndexFromPath(filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	_, err = testClient().Get(t.Context(), parse(t, "oci:"+dir+"/layout"))
	if err == nil || !strings.Contains(err.Error(), "there are 3 images") {
		t.Errorf("got error %v", err)
	}
	_, err = testClient().Get(t.Context(), parse(t, "oci:"+dir+"/layout:nope"))
	if !errorsIs(err, ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

func TestArchiveOfIndex(t *testing.T) {
	ref := parse(t, "oci-archive:"+t.TempDir()+"/a.tar:app:1")
	index := twoPlatforms(t)
	if _, err := testClient().Publish(t.Context(), index, []Ref{ref}); err != nil {
		t.Fatal(err)
	}
	back, err := testClient().Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(back.(v1.ImageIndex)); err != nil {
		t.Error(err)
	}
	if _, err := testClient().Image(t.Context(), ref, target("arm64")); err != nil {
		t.Error(err)
	}
}

// TestArchiveForm holds what makes one file readable by docker, podman and skopeo, and equal for equal images.
func TestArchiveForm(t *testing.T) {
	dir, img := t.TempDir(), randomImage(t, 2)
	var sums [2][32]byte
	for i, file := range []string{"/a.tar", "/b.tar"} {
		refs := []Ref{parse(t, "docker-archive:"+dir+file+":app:1"), parse(t, "oci:"+dir+"/layout:1")}
		if _, err := testClient().Publish(t.Context(), img, refs); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(dir + file)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
	}
	if sums[0] != sums[1] {
		t.Error("two archives of one image differ")
	}
	f, err := os.Open(dir + "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "manifest.json") || !slices.Contains(names, "oci-layout") {
		t.Errorf("entries: %v", names)
	}
	tag, err := name.NewTag("app:1")
	if err != nil {
		t.Fatal(err)
	}
	byDocker, err := tarball.ImageFromPath(dir+"/a.tar", &tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(byDocker); err != nil {
		t.Error(err)
	}
}

func TestArchiveTakesTheOtherNames(t *testing.T) {
	reg, file := newTestRegistry(t), t.TempDir()+"/a.tar"
	refs := []Ref{reg.ref(t, "app:7"), parse(t, "docker-archive:"+file)}
	if _, err := testClient().Publish(t.Context(), randomImage(t, 1), refs); err != nil {
		t.Fatal(err)
	}
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(file) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{reg.host + "/app:7"}, manifest[0].RepoTags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// TestReadsSavedImages reads what docker save wrote before it wrote layouts, as it is and compressed.
func TestReadsSavedImages(t *testing.T) {
	img, file := randomImage(t, 3), t.TempDir()+"/saved.tar"
	tag, err := name.NewTag("app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(plain)
	w.Close()
	if err := os.WriteFile(file+".gz", packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{file, file + ":app:1", file + ":docker.io/library/app:1", file + ".gz"} {
		back, err := testClient().Image(t.Context(), parse(t, "docker-archive:"+s), target("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(back); err != nil {
			t.Error(err)
		}
	}
	_, err = testClient().Image(t.Context(), parse(t, "docker-archive:"+file+":no:1"), target("amd64"))
	if !errorsIs(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestDamagedLayout(t *testing.T) {
	dir, img := t.TempDir(), sizedImage(t, 10_000, 1)
	ref := parse(t, "oci:"+dir)
	if _, err := testClient().Publish(t.Context(), img, []Ref{ref}); err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, blobPath(m.Layers[0].Digest))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[5000] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := testClient().Image(t.Context(), ref, target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if err := readLayers(back); !errorsIs(err, errCorrupt) {
		t.Errorf("got %v, want corrupt content", err)
	}
}

func TestLayoutLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/secret", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/layout", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../secret", dir+"/layout/index.json"); err != nil {
		t.Fatal(err)
	}
	_, err := testClient().Get(t.Context(), parse(t, "oci:"+dir+"/layout"))
	if err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("got %v, want an error that the path escapes", err)
	}
}

func FuzzArchive(f *testing.F) {
	seed, err := os.ReadFile(archiveSeed(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	manifest, err := json.Marshal([]dockerManifest{{Config: "a", Layers: []string{"b"}}})
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string]string{
		"manifest.json": string(manifest), "a": `{"rootfs":{"diff_ids":[]}}`, "b": "",
	} {
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Typeflag: tar.TypeReg})
		_, _ = io.WriteString(w, content)
	}
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		path := t.TempDir() + "/a.tar"
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := testClient().Image(t.Context(), Ref{Kind: DockerArchive, Path: path}, target("amd64"))
		if err == nil {
			_ = validate.Image(img)
		}
	})
}

func archiveSeed(f *testing.F) string {
	f.Helper()
	img, err := tarballSeed()
	if err != nil {
		f.Fatal(err)
	}
	path := f.TempDir() + "/seed.tar"
	if _, err := testClient().Publish(f.Context(), img, []Ref{{Kind: DockerArchive, Path: path}}); err != nil {
		f.Fatal(err)
	}
	return path
}

// TestLayoutsHoldOCIManifests publishes what has docker's media types, which tools do not find in a layout.
func TestLayoutsHoldOCIManifests(t *testing.T) {
	dir := t.TempDir()
	img, err := tarballSeed()
	if err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	index = mutate.IndexMediaType(index, types.DockerManifestList)
	for name, found := range map[string]any{"image": img, "index": index} {
		refs := []Ref{parse(t, "oci:"+dir+"/layout:"+name), parse(t, "oci-archive:"+dir+"/"+name+".tar")}
		published, err := testClient().Publish(t.Context(), found, refs)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range published {
			back, err := testClient().Get(t.Context(), p.Ref)
			if err != nil {
				t.Fatal(err)
			}
			if got := digestOf(t, back.(manifest)); got != p.Digest {
				t.Errorf("%s has the digest %s, published as %s", p.Ref, got, p.Digest)
			}
			raw, err := back.(manifest).RawManifest()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, []byte("vnd.docker")) {
				t.Errorf("%s: %s", p.Ref, raw)
			}
		}
	}
}
