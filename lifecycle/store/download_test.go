package store_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"s2i/lifecycle/store"
)

func sri(content string) string {
	sum := sha512.Sum512([]byte(content))
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// serve is a fetch that gives content from the offset on.
func serve(content string) store.Fetch {
	return func(_ context.Context, w io.Writer, offset int64) error {
		_, err := io.WriteString(w, content[offset:])
		return err
	}
}

func never(context.Context, io.Writer, int64) error {
	return errors.New("fetched although it is there")
}

func TestDownload(t *testing.T) {
	s := open(t)
	sum := sha256.Sum256([]byte("hello"))
	for _, integrity := range []string{
		sri("hello"),
		"sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		"sha1-qvTGHdzF6KLavt4PO0gs2a6pQ00= " + sri("hello") + "?opt",
		"sha256:" + hex.EncodeToString(sum[:]),
	} {
		path, err := s.Download(t.Context(), integrity, serve("hello"))
		if err != nil {
			t.Errorf("%s: %v", integrity, err)
			continue
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "hello" {
			t.Errorf("%s: %q, %v", integrity, b, err)
		}
		if again, err := s.Download(t.Context(), integrity, never); err != nil || again != path {
			t.Errorf("%s again: %v", integrity, err)
		}
		if again, err := s.HasDownload(integrity); err != nil || again != path {
			t.Errorf("%s: %v", integrity, err)
		}
	}
	for _, bad := range []string{"", "sha1-qvTGHdzF6KLavt4PO0gs2a6pQ00=", "sha512-AAAA", "sha256-../../x", "md5:00"} {
		if _, err := s.Download(t.Context(), bad, never); err == nil || strings.Contains(err.Error(), "although") {
			t.Errorf("integrity %q: %v", bad, err)
		}
	}
	if _, err := s.HasDownload(sri("absent")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

func TestDownloadResumes(t *testing.T) {
	s := open(t)
	lost := errors.New("connection lost")
	half := func(_ context.Context, w io.Writer, offset int64) error {
		_, _ = io.WriteString(w, "hello world"[offset:][:3])
		return lost
	}
	for range 2 {
		if _, err := s.Download(t.Context(), sri("hello world"), half); !errors.Is(err, lost) {
			t.Fatal(err)
		}
	}
	var from int64
	_, err := s.Download(t.Context(), sri("hello world"), func(ctx context.Context, w io.Writer, offset int64) error {
		from = offset
		return serve("hello world")(ctx, w, offset)
	})
	if err != nil || from != 6 {
		t.Errorf("continued at %d: %v", from, err)
	}
}

func TestDownloadStartsAnew(t *testing.T) {
	s := open(t)
	prefix := func(text string) store.Fetch {
		return func(_ context.Context, w io.Writer, _ int64) error {
			_, _ = io.WriteString(w, text)
			return io.ErrUnexpectedEOF
		}
	}
	// The part is of another version: the whole is fetched again.
	if _, err := s.Download(t.Context(), sri("hello"), prefix("HE")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if _, err := s.Download(t.Context(), sri("hello"), serve("hello")); err != nil {
		t.Error(err)
	}
	// The other side cannot continue.
	if _, err := s.Download(t.Context(), sri("world"), prefix("wo")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	_, err := s.Download(t.Context(), sri("world"), func(_ context.Context, w io.Writer, _ int64) error {
		if err := w.(store.Restarter).Restart(); err != nil {
			return err
		}
		_, err := io.WriteString(w, "world")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDownloadRefusesWrongContent(t *testing.T) {
	s := open(t)
	for range 2 {
		if _, err := s.Download(t.Context(), sri("right"), serve("wrong")); !errors.Is(err, store.ErrMismatch) {
			t.Errorf("got %v", err)
		}
	}
	if found := mustGlob(t, s.Dir()+"/downloads/*"); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
	if _, err := s.Download(t.Context(), sri("right"), serve("right")); err != nil {
		t.Error(err)
	}
}

func TestDownloadIsShared(t *testing.T) {
	s := open(t)
	var fetched atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := s.Download(t.Context(), sri("shared"), func(ctx context.Context, w io.Writer, offset int64) error {
				fetched.Add(1)
				return serve("shared")(ctx, w, offset)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func FuzzIntegrity(f *testing.F) {
	f.Add("sha512-AAAA sha256:00")
	f.Add(sri("x"))
	s := open(f)
	f.Fuzz(func(t *testing.T, integrity string) {
		path, err := s.HasDownload(integrity)
		if err == nil {
			t.Errorf("%q is at %s", integrity, path)
		}
	})
}

func TestDropDamaged(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const integrity = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // hello
	get := func() string {
		path, err := s.Download(t.Context(), integrity, func(_ context.Context, w io.Writer, _ int64) error {
			_, err := io.WriteString(w, "hello")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	drops := func(want bool) {
		t.Helper()
		if got, err := s.DropDamaged(integrity); got != want || err != nil {
			t.Errorf("dropped: %v, want %v (%v)", got, want, err)
		}
	}
	drops(false) // absent
	path := get()
	drops(false)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hellO"), 0o644); err != nil {
		t.Fatal(err)
	}
	drops(true)
	get()
	drops(false)
}
