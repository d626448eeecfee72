package dockerfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forge is a server of one repository, whose branch main is at a commit.
type forge struct {
	t          *testing.T
	main       string
	pinned     map[string]bool // references that name a commit by its whole hash
	asked, got int
}

func (f *forge) Commit(_ context.Context, ref string) (string, error) {
	_, commit, _ := strings.Cut(ref, "#")
	if f.pinned[commit] {
		return commit, nil
	}
	f.asked++
	if commit == "abc" { // only the repository knows
		return "", nil
	}
	return f.main, nil
}

func (f *forge) CheckOut(_ context.Context, ref string, _ bool) (at Checkout, release func(), err error) {
	f.got++
	at.Commit, at.Made = f.main, time.Unix(1_500_000_000, 0)
	if _, name, _ := strings.Cut(ref, "#"); f.pinned[name] {
		at.Commit = name
	}
	at.Dir = f.t.TempDir()
	err = os.WriteFile(filepath.Join(at.Dir, "a"), []byte("of "+at.Commit), 0o600)
	return at, func() {}, err
}

func TestRepositoriesAreKeptByCommit(t *testing.T) {
	t.Parallel()
	f := &forge{t: t, main: "abc1", pinned: map[string]bool{"abc1": true, "def2": true}}
	w := newBench(t, nil)
	w.options.Git = f
	const onBranch = "FROM scratch\nADD git://example.com/a.git#main /src\n"
	steps := []struct {
		name, text string
		before     func()
		asked, got int
	}{
		{"the first time it is fetched", onBranch, nil, 1, 1},
		{"the same commit is not", onBranch, nil, 1, 0},
		{"nor for another place", "FROM scratch\nADD git://example.com/a.git#main /other/\n", nil, 1, 0},
		{"a new commit is", onBranch, func() { f.main = "def2" }, 1, 1},
		{"a whole hash needs nobody", "FROM scratch\nADD git://example.com/a.git#abc1 /src\n", nil, 0, 1},
		{"and nothing when it is here", "FROM scratch\nADD git://example.com/a.git#abc1 /x\n", nil, 0, 0},
		{"the beginning of a hash is fetched", "FROM scratch\nADD git://example.com/a.git#abc /src\n", nil, 1, 1},
	}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		f.asked, f.got = 0, 0
		w.build(s.text)
		if f.asked != s.asked || f.got != s.got {
			t.Errorf("%s: asked %d times and fetched %d times, want %d and %d", s.name, f.asked, f.got, s.asked, s.got)
		}
	}
	one, _ := w.build("FROM scratch\nADD git://example.com/a.git#abc1 /src\n")
	two, _ := w.build(onBranch)
	if one == two {
		t.Error("two commits give one image")
	}
	if _, _, err := w.try("FROM scratch\nADD --checksum=0123 git://example.com/a.git#main /src\n"); err == nil ||
		!strings.Contains(err.Error(), "gave commit def2") {
		t.Errorf("a checksum of another commit gives %v", err)
	}
}
