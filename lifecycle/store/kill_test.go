package store_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/store"
)

// TestMain lets the test binary be the process that is killed, or that has a full disk.
func TestMain(m *testing.M) {
	switch dir := os.Getenv("S2I_TEST_STORE"); os.Getenv("S2I_TEST_HELPER") {
	case "work":
		exit(work(dir))
	case "full":
		exit(fillDisk(dir))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helper runs the test binary as what.
func helper(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "S2I_TEST_HELPER="+what, "S2I_TEST_STORE="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// steps are what the working process does, in small pieces; it says so before each piece.
const steps = 60

// work does a bit of everything that a store can do, saying a number at every point where it could be killed.
func work(dir string) error {
	n := 0
	say := func() {
		n++
		fmt.Println(n)
	}
	ctx := context.Background()
	say()
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	text := noise(400_000)
	for i := range 5 {
		src := func(ctx context.Context, w io.Writer) error {
			say()
			err := files("usr/a", text[:100_000+i], "usr/b", text, "etc/c", text)(ctx, writerFunc(func(p []byte) (int, error) {
				if len(p) > 100_000 {
					say()
				}
				return w.Write(p)
			}))
			say()
			return err
		}
		say()
		l, err := s.Layer(ctx, src, store.LayerOptions{Key: fmt.Sprint(i), Need: store.Form(i%3 + 1)})
		if err != nil {
			return err
		}
		say()
		if _, err := s.Tree(ctx, l); err != nil {
			return err
		}
		say()
		content := fmt.Sprint("download ", i)
		_, err = s.Download(ctx, sri(content), func(ctx context.Context, w io.Writer, offset int64) error {
			say()
			half := max(int64(len(content)/2), offset)
			if _, err := io.WriteString(w, content[offset:half]); err != nil {
				return err
			}
			say()
			_, err := io.WriteString(w, content[half:])
			return err
		})
		if err != nil {
			return err
		}
		temp, release, err := s.TempDir("work")
		if err != nil {
			return err
		}
		say()
		if err := errors.Join(os.MkdirAll(temp+"/a/b", 0o755), os.Chmod(temp+"/a", 0o500)); err != nil {
			return err
		}
		say()
		release()
		say()
		if err := s.SetRecord("work", "step", i); err != nil {
			return err
		}
	}
	for n < steps {
		say()
	}
	return s.Close()
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestKilledAtAnyPoint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for point := 1; point <= steps; point += 3 {
		cmd := helper(t, "work", dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		said := bufio.NewScanner(out)
		for n := 0; n < point && said.Scan(); n++ {
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, or done before
		checkStore(t, dir, point)
	}
	if out, err := helper(t, "work", dir).Output(); err != nil {
		t.Fatalf("after all the killing: %v\n%s", err, out)
	}
	s := checkStore(t, dir, 0)
	if left := leftovers(t, s); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// checkStore makes sure that everything visible in a store is whole, and that it can be opened and used.
func checkStore(t *testing.T, dir string, point int) *store.Store {
	t.Helper()
	for _, blob := range mustGlob(t, dir+"/blobs/sha256/*") {
		data, err := os.ReadFile(blob)
		sum := sha256.Sum256(data)
		if err != nil || hex.EncodeToString(sum[:]) != filepath.Base(blob) {
			t.Errorf("killed at %d: blob %s is damaged, %v", point, blob, err)
		}
	}
	for _, tree := range mustGlob(t, dir+"/trees/*") {
		if st, err := os.Stat(tree + "/fs/etc/c"); err != nil || st.Size() != 400_000 {
			t.Errorf("killed at %d: tree %s is damaged: %v", point, tree, err)
		}
	}
	s, err := store.Open(dir)
	if err != nil {
		t.Fatalf("killed at %d: %v", point, err)
	}
	if _, err := s.Images(); err != nil {
		t.Errorf("killed at %d: %v", point, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, s); len(left) > 0 {
		t.Errorf("killed at %d: left behind after the next Open: %q", point, left)
	}
	return s
}

// fillDisk runs in a user namespace of its own, where it can mount a file system of 3 MB.
func fillDisk(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		return fmt.Errorf("mounting a small tmpfs: %w", err)
	}
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	big := strings.Repeat(noise(1<<20), 8)
	for _, need := range []store.Form{store.Blob, store.Tree, store.Blob | store.Tree} {
		src := files("a", "small", "big", big)
		_, err := s.Layer(ctx, src, store.LayerOptions{Key: "k", Need: need, Compression: store.None})
		if !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("form %d: got error %w instead of a full disk", need, err)
		}
		fmt.Println(err)
		if err := s.Close(); err != nil {
			return err
		}
	}
	if _, err := s.Download(ctx, sri(big), serve(big)); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("download: got error %w instead of a full disk", err)
	}
	for _, pattern := range []string{"blobs/sha256/*", "trees/*", "records/*/*", "tmp/*"} {
		if names, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(names) > 0 {
			return fmt.Errorf("left on the full disk: %q, %w", names, err)
		}
	}
	if _, err := s.Prune(ctx, 0); err != nil {
		return err
	}
	_, err = s.Layer(ctx, files("a", "small"), store.LayerOptions{Key: "k", Need: store.Blob | store.Tree})
	return err
}

func TestDiskFull(t *testing.T) {
	cmd := helper(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("with a full disk (this test needs user namespaces): %v\n%s", err, out)
	}
	t.Logf("%s", out)
}
