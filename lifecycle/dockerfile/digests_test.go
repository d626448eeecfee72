package dockerfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"s2i/lifecycle/listing"
)

// TestDigestsAreNotComputedAgain finds the digest of a file that did not change without reading it.
func TestDigestsAreNotComputedAgain(t *testing.T) {
	dir, records := tree(t, map[string]string{"a": "one", "sub/b": "two"}), memory{}
	list := func() []listing.Entry {
		c, err := OpenContext(dir, nil, records)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		g := &gatherer{from: c}
		if err := g.pattern(t.Context(), "."); err != nil {
			t.Fatal(err)
		}
		known := append([]listing.Entry{}, g.out[0].entries...)
		if err := g.digests(t.Context()); err != nil {
			t.Fatal(err)
		}
		return known
	}
	time.Sleep(2 * racy)
	list()
	for _, e := range list() {
		if !e.IsDir() && e.Digest == "" {
			t.Errorf("%s was read again", e.Name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("six"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, e := range list() {
		if changed := e.Name == "a"; !e.IsDir() && changed != (e.Digest == "") {
			t.Errorf("%s: digest %q", e.Name, e.Digest)
		}
	}
}

// TestChangeWhileBuilding changes a file after its digest became part of a key.
func TestChangeWhileBuilding(t *testing.T) {
	dir := tree(t, map[string]string{"a": "one"})
	c, err := OpenContext(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e, err := c.lstat("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.digest(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * racy)
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(t.Context(), e); err == nil || !strings.Contains(err.Error(), "was changed while") {
		t.Errorf("got %v", err)
	}
}

func TestDecodeRecords(t *testing.T) {
	t.Parallel()
	files := map[string]fileRecord{"a": {ino: 1, size: 2, mtime: 3, ctime: 4, digest: [32]byte{5}}, "b/c": {size: -1}, "young": {young: true}}
	data := encodeRecords(files)
	got := decodeRecords(data)
	if len(got) != 2 || got["a"] != files["a"] || got["b/c"] != files["b/c"] {
		t.Errorf("got %+v", got)
	}
	for _, bad := range [][]byte{data[:len(data)-1], data[:3], {0xff}, bytes.Repeat([]byte{0xff}, 40)} {
		if got := decodeRecords(bad); got != nil {
			t.Errorf("%x: got %+v", bad, got)
		}
	}
}
