package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"s2i/lifecycle/store"
)

func TestPrune(t *testing.T) {
	s := open(t)
	kept, err := s.Save(t.Context(), app(t, s, "kept"), []string{"kept"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s.Save(t.Context(), app(t, s, "gone"), []string{"gone"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.Tree(t.Context(), layer(t, s, files("d/f", "x"), store.LayerOptions{Need: store.Tree}))
	if err != nil {
		t.Fatal(err)
	}
	// A tree that its owner may not write to.
	if err := errors.Join(os.Chmod(tree+"/d", 0o500), os.Chmod(tree, 0o500)); err != nil {
		t.Fatal(err)
	}
	path, err := s.Download(t.Context(), sri("x"), serve("x"))
	if err != nil {
		t.Fatal(err)
	}
	busy, err := s.CacheDir("my/app")
	if err != nil {
		t.Fatal(err)
	}
	idle, err := s.CacheDir("other")
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock(t.Context(), "cache-my/app")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.Remove("gone"); err != nil {
		t.Fatal(err)
	}

	release, err := s.Pin()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.Prune(t.Context(), 0); err != nil || p.Items != 0 {
		t.Errorf("pruned %+v while pinned, %v", p, err)
	}
	release()

	p, err := s.Prune(t.Context(), 0)
	if err != nil || p.Items == 0 || p.Bytes == 0 {
		t.Fatalf("pruned %+v, %v", p, err)
	}
	for _, dir := range []string{filepath.Dir(tree), path, idle} {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays: %v", dir, err)
		}
	}
	if _, err := os.Lstat(busy); err != nil {
		t.Errorf("the locked cache went: %v", err)
	}
	if s.HasBlob(gone.Digest) || !s.HasBlob(kept.Digest) {
		t.Error("the wrong image went")
	}
	img, err := s.Image(kept.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	layers, _ := img.Layers()
	checkLayer(t, layers[0])
	if left := leftovers(t, s); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestPruneToSize(t *testing.T) {
	s := open(t)
	var paths []string
	for i, content := range []string{"old old old", "middle", "new"} {
		p, err := s.Download(t.Context(), sri(content), serve(content))
		if err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(time.Duration(i-10) * 24 * time.Hour)
		if err := os.Chtimes(p, used, used); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	// Using it makes it the newest.
	if _, err := s.Download(t.Context(), sri("old old old"), never); err != nil {
		t.Fatal(err)
	}
	p, err := s.Prune(t.Context(), 15)
	if err != nil || p.Items != 1 || p.Bytes != 6 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	for i, want := range []bool{true, false, true} {
		if _, err := os.Lstat(paths[i]); (err == nil) != want {
			t.Errorf("download %d: %v", i, err)
		}
	}
}
