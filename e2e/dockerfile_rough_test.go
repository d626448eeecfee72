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

// TestDockerfileRough treats a store of its own roughly with builds of one Dockerfile. Nothing must be left of them, and
// what they build must stay the same.
func TestDockerfileRough(t *testing.T) {
	t.Parallel()
	base := "base=oci-layout://" + strings.TrimPrefix(dockerfileBase(t), "oci:")
	dir := write(t, t.TempDir(), map[string]string{
		"Dockerfile": "FROM base AS one\nRUN for i in $(seq 200); do echo $i >/tmp/$i; done\nFROM base\nCOPY . /context/\n" +
			"COPY --from=one /tmp /from-one\nRUN sleep 0.3 && echo done >/done\n",
		"data/file": "content\n",
	})
	store := ownStore(t)
	build := func(store string, more ...string) command {
		return in(store, append([]string{"build", "--strategy", "dockerfile", dir, "-t", "rough", "--build-context", base}, more...)...)
	}
	started := time.Now()
	want := digestOf(t, build(store, "--no-cache").run(t))
	took := time.Since(started)
	t.Run("at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				args := []string{"--no-cache"}[:i%2]
				if out, text, err := build(store, args...).try(t.Context()); err != nil || !strings.Contains(out, want) {
					t.Errorf("build %d gives %s, want %s (%v)\n%s", i, out, want, err, text)
				}
			})
		}
		wg.Wait()
		nothingLeft(t, store)
	})
	t.Run("killed", func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // moments
		for i := range 20 {
			cmd := exec.Command(shared.s2i, build(store, "--no-cache").args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.Int64N(int64(took))))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if i%5 == 4 {
				expectDigest(t, want, fmt.Sprintf("after kill %d", i), build(store))
			}
		}
		nothingLeft(t, store)
	})
	t.Run("interrupted", func(t *testing.T) {
		for _, moment := range []time.Duration{100, 300, 500, 700} {
			cmd := exec.Command(shared.s2i, build(store, "--no-cache").args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(moment * time.Millisecond)
			at := time.Now()
			_ = cmd.Process.Signal(syscall.SIGINT)
			err := cmd.Wait()
			if d := time.Since(at); d > time.Second {
				t.Errorf("interrupted after %d ms: it took %v to end", moment, d)
			}
			if c := code(err); c != 130 && c != 0 {
				t.Errorf("interrupted after %d ms: exit code %d, want 130", moment, c)
			}
		}
		expectDigest(t, want, "after the interrupts", build(store))
		nothingLeft(t, store)
	})
	t.Run("disk full", func(t *testing.T) { dockerfileDiskFull(t, want, build) })
}

// dockerfileDiskFull builds in a store on a file system with little room, and again when there is more.
func dockerfileDiskFull(t *testing.T, want string, build func(store string, more ...string) command) {
	dir := t.TempDir()
	script := fmt.Sprintf(`set -u
mount -t tmpfs -o size=96m tmpfs %[1]s
head -c 95m /dev/zero >%[1]s/filler
for filler in 95 94 92; do
  truncate -s "$filler"m %[1]s/filler
  "$@" && echo "nothing failed with $filler MB taken" >&2 && exit 3
done
rm %[1]s/filler
exec "$@"`, dir)
	flags := "-m"
	if os.Getuid() != 0 {
		flags = "-Urm"
	}
	c := wrap("unshare", build(filepath.Join(dir, "store")), flags, "sh", "-c", script, "sh")
	out, text, err := c.try(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := digestOf(t, out); got != want {
		t.Errorf("after the disk was full: %s, want %s", got, want)
	}
	if n := strings.Count(text, "no space left on device"); n < 3 {
		t.Errorf("%d of 3 errors say that the disk is full:\n%s", n, text)
	}
}
