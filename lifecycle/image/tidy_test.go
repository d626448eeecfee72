package image

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestReplaceTidies writes caches to a directory, again and again: what two of them ago needed is gone, and all else is
// there.
func TestReplaceTidies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	ref, other := parse(t, "oci:"+dir+":cache"), parse(t, "oci:"+dir+":other")
	c := testClient()
	kept := randomImage(t, 1)
	if _, err := c.Publish(t.Context(), kept, []Ref{other}); err != nil {
		t.Fatal(err)
	}
	var images []v1.Image
	replace := func() {
		t.Helper()
		images = append(images, randomImage(t, 2))
		if err := c.Replace(t.Context(), images[len(images)-1], ref); err != nil {
			t.Fatal(err)
		}
	}
	replace()
	replace()
	replace()
	for i, want := range []bool{false, true, true} {
		if got := hasAll(t, dir, images[i]); got != want {
			t.Errorf("image %d is there: %v", i, got)
		}
	}
	if !hasAll(t, dir, kept) {
		t.Error("the image with another name is gone")
	}
	// While somebody writes, nothing is removed; what is not known to be a blob stays.
	unlock, err := lockDir(filepath.Join(dir, "blobs"), syscall.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(dir, "blobs", "sha256", "note")
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	replace()
	if !hasAll(t, dir, images[1]) {
		t.Error("blobs were removed beside a writer")
	}
	unlock()
	replace()
	if hasAll(t, dir, images[1]) || !hasAll(t, dir, images[3]) {
		t.Error("not only what is too old was removed")
	}
	if _, err := os.Stat(note); err != nil {
		t.Error(err)
	}
}

func hasAll(t *testing.T, dir string, img v1.Image) bool {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(m.Layers, m.Config) {
		if _, err := os.Stat(filepath.Join(dir, blobPath(d.Digest))); err != nil {
			return false
		}
	}
	return true
}
