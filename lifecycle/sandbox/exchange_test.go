package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree lists what is in a directory, with the content of files.
func tree(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			rel += "/"
		case d.Type().IsRegular():
			rel += "=" + read(t, path)
		}
		list = append(list, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// newExchange makes a directory that stands for the root directory, and an image.
func newExchange(t *testing.T) *exchange {
	t.Helper()
	dir := t.TempDir()
	x := &exchange{top: dir + "/top", image: dir + "/image", aside: dir + "/aside",
		keep: map[string]bool{"proc": true, "etc/hosts": true, "work": true}}
	for _, name := range []string{"top/proc/1", "top/etc", "top/work", "top/usr/bin", "image/usr", "image/etc/deep", "image/proc", "aside"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"top/etc/hosts": "mounted", "top/etc/mine": "mine", "top/usr/bin/s2i": "s2i",
		"top/work/source": "source", "image/etc/hosts": "hidden", "image/etc/mine": "image's", "image/etc/deep/x": "x", "image/usr/y": "y"} {
		write(t, filepath.Join(dir, name), text)
	}
	if err := os.Chmod(x.image+"/etc", 0o700); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestExchange(t *testing.T) {
	x := newExchange(t)
	before := tree(t, x.top)
	failed := errors.New("as it may")
	err := x.during(func() error {
		want := []string{"etc/", "etc/deep/", "etc/deep/x=x", "etc/hosts=mounted", "etc/mine=image's", "proc/", "proc/1/", "usr/",
			"usr/y=y", "work/", "work/source=source"}
		if diff := cmp.Diff(want, tree(t, x.top)); diff != "" {
			t.Errorf("in place (-want +got):\n%s", diff)
		}
		if info, err := os.Stat(x.top + "/etc"); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("etc: %v, %v", info.Mode(), err)
		}
		return errors.Join(failed, os.RemoveAll(x.top+"/usr"), os.MkdirAll(x.top+"/new/dir", 0o755),
			os.WriteFile(x.top+"/etc/added", []byte("added"), 0o600), os.Chmod(x.top+"/etc", 0o711))
	})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	if diff := cmp.Diff(before, tree(t, x.top)); diff != "" {
		t.Errorf("put back (-want +got):\n%s", diff)
	}
	want := []string{"etc/", "etc/added=added", "etc/deep/", "etc/deep/x=x", "etc/hosts=hidden", "etc/mine=image's", "new/", "new/dir/", "proc/"}
	if diff := cmp.Diff(want, tree(t, x.image)); diff != "" {
		t.Errorf("the image (-want +got):\n%s", diff)
	}
	for dir, want := range map[string]fs.FileMode{x.top: 0o755, x.image: 0o711} {
		if info, err := os.Stat(dir + "/etc"); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s/etc: %v, %v", dir, info.Mode(), err)
		}
	}
	removeEmpty(x.aside)
	if _, err := os.Stat(x.aside); err == nil {
		t.Errorf("left aside: %v", tree(t, x.aside))
	}
}

// TestExchangeFails tries images and commands with which it cannot work: the container's files are put back all the same.
func TestExchangeFails(t *testing.T) {
	for name, tc := range map[string]struct {
		image func(x *exchange) error
		run   func(x *exchange) error
		want  string
	}{
		"link for a directory with mounts": {
			image: func(x *exchange) error {
				return errors.Join(os.RemoveAll(x.image+"/etc"), os.Symlink("/outside", x.image+"/etc"))
			},
			want: "has to be a directory"},
		"mount removed": {run: func(x *exchange) error { return os.Remove(x.top + "/etc/hosts") }, want: "moved or removed /etc/hosts"},
	} {
		x := newExchange(t)
		before := slices.DeleteFunc(tree(t, x.top), func(s string) bool { return tc.run != nil && strings.HasPrefix(s, "etc/hosts") })
		if tc.image != nil {
			if err := tc.image(x); err != nil {
				t.Fatal(err)
			}
		}
		err := x.during(func() error {
			if tc.run == nil {
				t.Errorf("%s: it ran", name)
				return nil
			}
			return tc.run(x)
		})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, tree(t, x.top)); diff != "" {
			t.Errorf("%s: put back (-want +got):\n%s", name, diff)
		}
	}
}

func TestStaying(t *testing.T) {
	mounts := []string{"proc", "workspace", "var/.docker", "etc/hosts"}
	for name, want := range map[string]string{
		"/workspace/app": "workspace", "/proc/self": "proc", "/var/.docker/config.json": "var/.docker", "/no-such-dir/store": "no-such-dir",
		"/": "", "/root/no/such": "error", "/usr": "error",
	} {
		got, err := staying(name, mounts)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}
