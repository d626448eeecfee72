package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMemoryLimit(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		limits := Limits{Memory: 64 << 20, CPUs: 1.5, PIDs: 200}
		p := Process{Limits: limits}
		if err := s.CheckLimits(limits); err != nil && s.Mode() != ModeRoot {
			// An ordinary user has cgroups only where they were delegated. Elsewhere it has to be said.
			_, err2 := output(t, s, p)
			if !errors.Is(err, ErrLimits) || !errors.Is(err2, ErrLimits) || !strings.Contains(err.Error(), "systemd-run") {
				t.Errorf("got %v and %v", err, err2)
			}
			return
		} else if err != nil {
			t.Fatalf("this test needs cgroups that can be written: %v", err)
		}
		if got := must(t, s, p, "eat", "20"); got != "ate 20\n" {
			t.Error(got)
		}
		file := "/sys/fs/cgroup/memory.max"
		if _, err := output(t, s, p, "read", file); err != nil {
			file = "/sys/fs/cgroup/memory/memory.limit_in_bytes" // version 1
		}
		if got := must(t, s, p, "read", file); got != "67108864\n" {
			t.Errorf("the limit seen inside is %s", got)
		}
		out, err := output(t, s, p, "eat", "500")
		var exit *ExitError
		if !errors.As(err, &exit) || !exit.OutOfMemory || exit.Code != 137 {
			t.Errorf("%v: %s", err, out)
		}
		leftCgroups(t)
	})
}

// leftCgroups finds cgroups of ours that nobody uses.
func leftCgroups(t *testing.T) {
	t.Helper()
	all, err := ownHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		for _, place := range h.places() {
			if left, _ := filepath.Glob(filepath.Join(place, ownPrefix+"*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

func TestPIDLimit(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{Limits: Limits{PIDs: 60}, UID: 1000, GID: 1000}
		must(t, s, p, "fork", "1")
		if out, err := output(t, s, p, "fork", "80"); err == nil {
			t.Errorf("it can: %s", out)
		}
	})
}

func TestSweep(t *testing.T) {
	place := t.TempDir()
	used, err := newOwnDir(place)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s2i-sandbox-left", "other"} {
		if err := os.Mkdir(filepath.Join(place, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweep(place)
	found, err := filepath.Glob(filepath.Join(place, "*"))
	if want := []string{filepath.Join(place, "other"), used.path}; err != nil || !cmp.Equal(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
	if err := used.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(used.path); err == nil {
		t.Error("it is not removed")
	}
}

func TestHierarchies(t *testing.T) {
	const (
		v1 = "30 29 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n" +
			"31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"32 29 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		v2     = "33 29 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		docker = "34 29 0:30 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
		escape = "35 29 0:31 / /mnt/a\\040b rw - cgroup2 none rw\n"
	)
	for name, tc := range map[string]struct {
		mountinfo, cgroups string
		want               []hierarchy
	}{
		"v1": {v1, "4:memory:/a/b\n3:cpu,cpuacct:/\n1:name=systemd:/c\n0::/x\n", []hierarchy{
			{Point: "/sys/fs/cgroup/memory", Own: "a/b", Controllers: []string{"memory"}},
			{Point: "/sys/fs/cgroup/cpu,cpuacct", Own: ".", Controllers: []string{"cpu", "cpuacct"}},
			{Point: "/sys/fs/cgroup/systemd", Own: "c", Controllers: []string{"name=systemd"}},
		}},
		"v2": {v2, "0::/user.slice/x.scope\n", []hierarchy{
			{Point: "/sys/fs/cgroup", Own: "user.slice/x.scope", V2: true},
		}},
		"in root": {docker, "1:pids:/docker/abc/d\n", []hierarchy{
			{Point: "/sys/fs/cgroup/pids", Own: "d", Controllers: []string{"pids"}},
		}},
		"not in": {docker, "1:pids:/docker/abcd\n", []hierarchy{
			{Point: "/sys/fs/cgroup/pids", Own: ".", Controllers: []string{"pids"}},
		}},
		"escaped": {escape, "0::/../up\n", []hierarchy{{Point: "/mnt/a b", Own: "up", V2: true}}},
		"garbage": {"x\n - \n1 2 3 4 5 - cgroup\n", "::\nx\n", nil},
	} {
		got := parseHierarchies(strings.NewReader(tc.mountinfo), strings.NewReader(tc.cgroups))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	h := hierarchy{Point: "/c", Own: "a/b", V2: true}
	if diff := cmp.Diff([]string{"/c/a/b", "/c/a", "/c"}, h.places()); diff != "" {
		t.Error(diff)
	}
}

func TestSettings(t *testing.T) {
	l := Limits{Memory: 1 << 20, CPUs: 1.5, PIDs: 7}
	for v2, want := range map[bool]map[string][]setting{
		true: {
			"memory": {{"memory.max", "1048576", false}, {"memory.swap.max", "0", true}},
			"cpu":    {{"cpu.max", "150000 100000", false}},
			"pids":   {{"pids.max", "7", false}},
		},
		false: {
			"memory": {{"memory.limit_in_bytes", "1048576", false}, {"memory.memsw.limit_in_bytes", "1048576", true}},
			"cpu":    {{"cpu.cfs_period_us", "100000", false}, {"cpu.cfs_quota_us", "150000", false}},
			"pids":   {{"pids.max", "7", false}},
		},
	} {
		if diff := cmp.Diff(want, settings(l, v2), cmp.AllowUnexported(setting{})); diff != "" {
			t.Error(diff)
		}
	}
}
