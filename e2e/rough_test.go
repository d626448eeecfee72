//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRough treats one store of its own roughly: several builds at once, killed builds, interrupted builds. Nothing
// must be left of them, and what they build must stay the same.
func TestRough(t *testing.T) {
	t.Parallel()
	built(t, "go-hello") // downloads for all
	w := &rough{store: ownStore(t), tiny: tinyApp(t)}
	t.Run("two at once", func(t *testing.T) { w.atOnce(t, 2) })
	t.Run("eight at once", func(t *testing.T) { w.atOnce(t, 8) })
	t.Run("killed", w.killed)
	t.Run("interrupted", w.interrupted)
}

// rough is the store, and a small app with its own buildpack whose whole build takes little time.
type rough struct {
	store string
	tiny  []string // the arguments that name app and buildpack

	digests [2]string // of the small app and of go-hello
}

// build is a build of the small app (0), which recomputes everything, or of go-hello (1) with its cache. The variable
// makes every build one whose result is not known yet.
func (w *rough) build(kind int, tag string, nonce int) command {
	if kind == 0 {
		return in(w.store, append([]string{"build", "-t", tag, "--no-cache"}, w.tiny...)...)
	}
	return in(w.store, "build", app("go-hello"), "-t", tag, "-e", fmt.Sprintf("NONCE=%d", nonce))
}

// atOnce starts n builds together; every two have the same name and so share a cache.
func (w *rough) atOnce(t *testing.T, n int) {
	digests := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			out, errOut, err := w.build(i%2, fmt.Sprintf("atonce%d", i%4), 1000*n+i).try(t.Context())
			if err != nil {
				t.Errorf("build %d: %v\n%s", i, err, errOut)
				return
			}
			_, digests[i], _ = strings.Cut(strings.TrimSpace(out), "@")
		})
	}
	wg.Wait()
	for i, d := range digests {
		if w.digests[i%2] == "" {
			w.digests[i%2] = d
		}
		if d != w.digests[i%2] {
			t.Errorf("build %d gives %s, want %s", i, d, w.digests[i%2])
		}
	}
	nothingLeft(t, w.store)
}

// killed kills builds at fifty random moments. The name is one whose cache the builds at once have filled.
func (w *rough) killed(t *testing.T) {
	var took [2]time.Duration
	for kind := range took {
		started := time.Now()
		expectDigest(t, w.digests[kind], "before", w.build(kind, "atonce1", 1))
		took[kind] = time.Since(started)
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // moments
	for i := range 50 {
		kind := i % 5 / 4
		c := w.build(kind, "atonce1", 2+i)
		cmd := exec.Command(c.name, c.args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.Int64N(int64(took[kind]))))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if i%10 >= 8 { // one of each
			expectDigest(t, w.digests[kind], fmt.Sprintf("after kill %d", i), w.build(kind, "atonce1", 100+i))
		}
	}
	nothingLeft(t, w.store)
}

// interrupted sends SIGINT, as Ctrl-C does, at several moments.
func (w *rough) interrupted(t *testing.T) {
	for i, moment := range []time.Duration{50, 200, 400, 600, 800} {
		kind := i % 2
		c := w.build(kind, "atonce1", 200+i)
		cmd := exec.Command(c.name, c.args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(moment * time.Millisecond)
		started := time.Now()
		_ = cmd.Process.Signal(syscall.SIGINT)
		err := cmd.Wait()
		if took := time.Since(started); took > time.Second {
			t.Errorf("interrupted after %d ms: it took %v to end", moment, took)
		}
		if c := code(err); c != 130 && c != 0 && moment > 50 { // before main it has no handler yet; it may also be done
			t.Errorf("interrupted after %d ms: exit code %d, want 130", moment, c)
		}
	}
	for kind := range w.digests {
		expectDigest(t, w.digests[kind], "after the interrupts", w.build(kind, "atonce1", 300))
	}
	nothingLeft(t, w.store)
}

// nothingLeft looks for mounts, processes, control groups and temporary files of builds on a store that are over.
func nothingLeft(t *testing.T, store string) {
	t.Helper()
	in(store, "images").run(t) // opening the store clears what dead builds left
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := leftovers(t, store)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left over: %s", strings.Join(left, "; "))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// leftovers lists what knows the store's path: mounts here and in other namespaces, processes by their command line,
// and the store's own temporary files.
func leftovers(t *testing.T, store string) []string {
	t.Helper()
	var left []string
	for _, file := range []string{"mountinfo", "cmdline"} {
		all, err := filepath.Glob("/proc/[0-9]*/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), store) {
				left = append(left, "process with the store in "+path)
			}
		}
	}
	for _, dir := range []string{"tmp", "sandbox"} {
		temporary, err := os.ReadDir(filepath.Join(store, dir))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range temporary {
			left = append(left, "temporary "+filepath.Join(dir, e.Name()))
		}
	}
	return left
}

// tinyApp writes an app and a buildpack of shell scripts for it, and gives the arguments of its build.
func tinyApp(t *testing.T) []string {
	t.Helper()
	dir := write(t, t.TempDir(), map[string]string{
		"app/hello.txt":     "hello\n",
		"bp/buildpack.toml": "api = \"0.10\"\n[buildpack]\nid = \"test/tiny\"\nversion = \"1\"\n[[targets]]\nos = \"linux\"\n",
		"bp/bin/detect!":    "#!/bin/bash\ntest -e hello.txt\n",
		"bp/bin/build!": `#!/bin/bash
set -eu
mkdir -p "$1/words"
for i in $(seq 200); do echo "$i" >"$1/words/$i"; done
printf '[types]\nlaunch = true\ncache = true\n' >"$1/words.toml"
printf '[[processes]]\ntype = "web"\ncommand = ["cat", "hello.txt"]\ndefault = true\n' >"$1/launch.toml"
`,
	})
	return []string{"-b", filepath.Join(dir, "bp"), filepath.Join(dir, "app")}
}
