package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/pgzip"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// benchTree is a directory of 5,000 source files, 50 MB.
func benchTree(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	text := noise(20_000)
	for i := range 5000 {
		name := filepath.Join(dir, fmt.Sprint("d", i%97), fmt.Sprint("f", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text[i%10_000:][:10_000]), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkLayer compares making a layer with its floor: hashing and compressing the same bytes from memory. Compare
// results of one run only.
func BenchmarkLayer(b *testing.B) {
	dir := benchTree(b)
	src := func(ctx context.Context, w io.Writer) error {
		tw := archive.NewWriter(w)
		if err := tw.Tree(ctx, dir, archive.TreeOptions{Name: "/layers/x"}); err != nil {
			return err
		}
		return tw.Close()
	}
	var tarball bytes.Buffer
	if err := src(b.Context(), &tarball); err != nil {
		b.Fatal(err)
	}
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(tarball.Len()))
		for b.Loop() {
			done := make(chan [32]byte)
			go func() { done <- sha256.Sum256(tarball.Bytes()) }()
			z, err := pgzip.NewWriterLevel(io.Discard, 2)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := z.Write(tarball.Bytes()); err != nil {
				b.Fatal(err)
			}
			if err := z.Close(); err != nil {
				b.Fatal(err)
			}
			<-done
		}
	})
	for _, bench := range []struct {
		name string
		need store.Form
	}{{"diffID", 0}, {"blob", store.Blob}, {"tree", store.Tree}, {"both", store.Blob | store.Tree}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(tarball.Len()))
			for b.Loop() {
				b.StopTimer()
				s := open(b)
				b.StartTimer()
				layer(b, s, src, store.LayerOptions{Need: bench.need})
			}
		})
	}
	b.Run("fingerprint", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := archive.Fingerprint(b.Context(), dir); err != nil {
				b.Fatal(err)
			}
		}
	})
}
