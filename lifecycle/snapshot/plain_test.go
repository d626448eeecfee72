package snapshot_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/snapshot"
	"s2i/lifecycle/store"
)

// TestIndex changes a plain directory in every way and expects a layer of just the changes.
func TestIndex(t *testing.T) {
	s, dir := open(t), t.TempDir()
	if err := errors.Join(
		os.MkdirAll(dir+"/etc/deep/er", 0o755), os.MkdirAll(dir+"/again/old", 0o755), os.MkdirAll(dir+"/still/here", 0o755),
		os.WriteFile(dir+"/etc/same", []byte("same"), 0o600), os.WriteFile(dir+"/etc/size", []byte("1"), 0o600),
		os.WriteFile(dir+"/etc/inplace", []byte("aaaa"), 0o600), os.WriteFile(dir+"/etc/mode", nil, 0o600),
		os.WriteFile(dir+"/etc/gone", nil, 0o600), os.WriteFile(dir+"/etc/one", []byte("x"), 0o600),
		os.Link(dir+"/etc/one", dir+"/etc/two"), os.WriteFile(dir+"/etc/aside", nil, 0o600), os.WriteFile(dir+"/etc/touched", nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	before, err := snapshot.NewIndex(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(dir+"/etc/size", []byte("12"), 0o600), os.WriteFile(dir+"/etc/inplace", []byte("bbbb"), 0o600),
		os.Chmod(dir+"/etc/mode", 0o644), os.Remove(dir+"/etc/gone"), os.RemoveAll(dir+"/again"),
		os.MkdirAll(dir+"/again/new", 0o755), os.WriteFile(dir+"/etc/one", []byte("y"), 0o600),
		os.Rename(dir+"/etc/aside", dir+"/away"), os.Rename(dir+"/away", dir+"/etc/aside"),
		os.Chmod(dir+"/etc/touched", 0o600), os.WriteFile(dir+"/etc/deep/tmp", nil, 0o600), os.Remove(dir+"/etc/deep/tmp"),
		os.WriteFile(dir+"/new", nil, 0o600), os.Link(dir+"/new", dir+"/new2"),
	); err != nil {
		t.Fatal(err)
	}
	before.Refresh("etc/aside")
	var asked []string
	l, err := before.Diff(t.Context(), s, snapshot.PlainOptions{LayerOptions: store.LayerOptions{Need: store.Blob},
		Same: func(_ context.Context, h *tar.Header, _ func() (io.ReadCloser, error)) (bool, error) {
			asked = append(asked, h.Name)
			return h.Name == "etc/touched", nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"5 again", "5 again/new", "0 again/.wh.old", "5 etc", "0 etc/.wh.gone", "0 etc/inplace", "0 etc/mode",
		"0 etc/one", "0 etc/size", "0 new", "1 new2"}
	if diff := cmp.Diff(want, entries(t, l)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"etc/inplace", "etc/one", "etc/touched"}, asked); diff != "" {
		t.Errorf("files whose content was looked at (-want +got):\n%s", diff)
	}
}

func entries(t *testing.T, l interface {
	Uncompressed() (io.ReadCloser, error)
}) (list []string) {
	t.Helper()
	stream, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for tr := tar.NewReader(stream); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%c %s", h.Typeflag, h.Name))
	}
}
