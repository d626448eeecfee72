package dockerfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// meeting is a sandbox whose commands wait for each other, for a while.
type meeting struct {
	mu      sync.Mutex
	inside  int
	most    int
	sources map[string]bool // of the mounts
	all     chan struct{}   // closed when everybody is there
	wanted  int
}

// Run implements sandbox.Sandbox.
func (m *meeting) Run(_ context.Context, p sandbox.Process) error {
	m.mu.Lock()
	m.inside++
	m.most = max(m.most, m.inside)
	for _, mount := range p.Mounts {
		if strings.HasPrefix(mount.Target, "/cache") {
			m.sources[mount.Source] = true
		}
	}
	if m.inside == m.wanted {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
	case <-time.After(300 * time.Millisecond):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside--
	return nil
}

// TestSharingOfCacheMounts has two builds at once that mount the same cache.
func TestSharingOfCacheMounts(t *testing.T) {
	for _, c := range []struct {
		one, two      string // mounts
		most, sources int
	}{
		{"id=a,target=/cache", "id=a,target=/cache", 2, 1},
		{"id=a,target=/cache,sharing=locked", "id=a,target=/cache,sharing=locked", 1, 1},
		{"id=a,target=/cache,sharing=locked", "id=a,target=/cache,sharing=shared", 1, 1},
		{"id=a,target=/cache,sharing=private", "id=a,target=/cache,sharing=private", 2, 2},
		{"id=a,target=/cache,sharing=locked", "id=b,target=/cache,sharing=locked", 2, 2},
		{"id=a,target=/cache", "id=a,target=/cache,uid=1", 2, 2},
		{"id=a,target=/cache", "id=a,target=/cache,mode=0700", 2, 2},
		{
			"id=a,target=/cache,sharing=locked --mount=type=cache,id=b,target=/cache2,sharing=locked",
			"id=b,target=/cache,sharing=locked --mount=type=cache,id=a,target=/cache2,sharing=locked", 1, 2,
		},
		{
			"id=a,target=/cache,sharing=locked --mount=type=cache,id=a,target=/cache2,sharing=locked",
			"id=c,target=/cache", 2, 2,
		},
	} {
		t.Run(c.one+" and "+c.two, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			box := &meeting{sources: map[string]bool{}, all: make(chan struct{}), wanted: 2}
			var group sync.WaitGroup
			for i, mount := range []string{c.one, c.two} {
				st, err := store.Open(dir) // as another process would
				if err != nil {
					t.Fatal(err)
				}
				defer st.Close()
				file, err := Parse("Dockerfile", []byte("FROM scratch\nRUN --mount=type=cache,"+mount+" [\"x"+string(rune('0'+i))+"\"]\n"))
				if err != nil {
					t.Fatal(err)
				}
				group.Go(func() {
					if _, err := Build(t.Context(), Options{File: file, Store: st, Sandbox: box,
						Platform: lifecycle.HostTarget()}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if box.most != c.most || len(box.sources) != c.sources {
				t.Errorf("%d ran at once, on %d directories, want %d and %d", box.most, len(box.sources), c.most, c.sources)
			}
		})
	}
}

// TestContentOfCacheMounts begins with what from= and source= give, and keeps what is written.
func TestContentOfCacheMounts(t *testing.T) {
	w := newBench(t, nil)
	w.inspect = func(p sandbox.Process) {
		for _, m := range p.Mounts {
			if m.Target != "/cache" {
				continue
			}
			entries, err := os.ReadDir(m.Source)
			if err != nil {
				t.Error(err)
			}
			for _, e := range entries {
				w.ran = append(w.ran, p.Args[0]+" sees "+e.Name())
			}
			if err := os.WriteFile(filepath.Join(m.Source, p.Args[0]), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	const from = "FROM scratch AS seed\nCOPY <<EOF /d/first\nx\nEOF\nFROM scratch\n" +
		"RUN --mount=type=cache,target=/cache,from=seed,source=/d,mode=1777 "
	_, one := w.build(from + "[\"one\"]\n")
	_, two := w.build(from + "[\"two\"]\n")
	if got := strings.Join(append(one, two...), ", "); got != "one, one sees first, two, two sees first, two sees one" {
		t.Errorf("got %s", got)
	}
	dirs, _ := filepath.Glob(filepath.Join(w.store.Dir(), "cache", "*", "mount"))
	if len(dirs) != 1 {
		t.Fatalf("there are the directories %v, want one", dirs)
	}
	if info, err := os.Stat(dirs[0]); err != nil || info.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}
