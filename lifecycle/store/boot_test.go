package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestOpenAfterCrash lets the system end without having written everything: what was written last is checked when the
// store is next opened, and what was written long before is not read.
func TestOpenAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string, damage bool, age time.Duration) v1.Hash {
		t.Helper()
		sum := sha256.Sum256([]byte(text))
		h := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
		if err := s.PutBlob(t.Context(), bytes.NewReader([]byte(text)), h, int64(len(text))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "blobs", "sha256", h.Hex)
		if damage {
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		return h
	}
	whole := put("whole", false, time.Minute)
	lost := put("lost", true, 2*time.Minute)
	old := put("old", true, time.Hour)

	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	if !s.HasBlob(lost) {
		t.Error("the blobs were read although the system did not start anew")
	}
	if err := os.WriteFile(filepath.Join(dir, bootFile), []byte("another start of the system"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	for h, want := range map[v1.Hash]bool{whole: true, lost: false, old: true} {
		if got := s.HasBlob(h); got != want {
			t.Errorf("HasBlob(%s) = %v, want %v", h, got, want)
		}
	}
}
