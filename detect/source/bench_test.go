package source

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// manyFiles makes a tree of 200,000 small files in 2,000 directories.
func manyFiles(b *testing.B) string {
	dir := b.TempDir()
	content := make([]byte, 1000)
	for i := range 2000 {
		sub := filepath.Join(dir, fmt.Sprintf("d%02d/e%d", i%50, i/50))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 100 {
			copy(content, fmt.Sprint(i, j))
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-%d.txt", j)), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

func BenchmarkManyFiles(b *testing.B) {
	dir := manyFiles(b)
	m := &memory{records: map[string]any{}}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open(b, dir, Options{})
		}
	})
	b.Run("open with rules", func(b *testing.B) {
		for b.Loop() {
			open(b, dir, Options{Ignore: []string{"**/node_modules", "*.md", "dist/", "**/*.log", "!keep.log"}})
		}
	})
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			digest(b, open(b, dir, Options{}))
		}
	})
	b.Run("digest of an unchanged tree", func(b *testing.B) {
		digest(b, settle(open(b, dir, Options{Records: m})))
		for b.Loop() {
			digest(b, open(b, dir, Options{Records: m}))
		}
	})
	b.Run("copy", func(b *testing.B) {
		tree := open(b, dir, Options{})
		to := b.TempDir()
		for i := 0; b.Loop(); i++ {
			if err := tree.CopyTo(b.Context(), filepath.Join(to, fmt.Sprint(i))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLargeFile(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 1<<30), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		digest(b, open(b, dir, Options{}))
	}
	b.SetBytes(1 << 30)
}
