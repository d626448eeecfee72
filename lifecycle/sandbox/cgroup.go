package sandbox

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup holds the limits of one run: one cgroup in version 2, one per controller's hierarchy in version 1. It is
// made by us and not by the runtime, so that it is the same for every runtime and costs nothing without limits.
type cgroup struct {
	dirs []cgroupDir
}

// cgroupDir is a cgroup of ours.
type cgroupDir struct {
	ownDir
	v2 bool
	// controllers are the controllers whose limits are set here.
	controllers []string
}

// setting is a file in a cgroup, and what to write to it. Those of controllers that are optional may be missing.
type setting struct {
	file, value string
	optional    bool
}

// settings gives the files that enforce limits, by controller.
func settings(l Limits, v2 bool) map[string][]setting {
	m := map[string][]setting{}
	if memory := strconv.FormatInt(l.Memory, 10); l.Memory > 0 && v2 {
		m["memory"] = []setting{{"memory.max", memory, false}, {"memory.swap.max", "0", true}}
	} else if l.Memory > 0 {
		m["memory"] = []setting{{"memory.limit_in_bytes", memory, false}, {"memory.memsw.limit_in_bytes", memory, true}}
	}
	const period = 100_000 // microseconds
	if quota := strconv.FormatInt(max(int64(math.Round(l.CPUs*period)), 1000), 10); l.CPUs > 0 && v2 {
		m["cpu"] = []setting{{"cpu.max", quota + " " + strconv.Itoa(period), false}}
	} else if l.CPUs > 0 {
		m["cpu"] = []setting{{"cpu.cfs_period_us", strconv.Itoa(period), false}, {"cpu.cfs_quota_us", quota, false}}
	}
	if l.PIDs > 0 {
		m["pids"] = []setting{{"pids.max", strconv.FormatInt(l.PIDs, 10), false}}
	}
	return m
}

// newCgroup makes the cgroups that enforce limits; nil without limits. The error is in the chain of ErrLimits.
func newCgroup(l Limits) (*cgroup, error) {
	if l == (Limits{}) {
		return nil, nil
	}
	all, err := ownHierarchies()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLimits, err)
	}
	c := new(cgroup)
	done := map[string]bool{}
	for _, controller := range []string{"memory", "cpu", "pids"} {
		if len(settings(l, true)[controller]) == 0 {
			continue
		}
		h, ok := find(all, controller)
		if !ok {
			c.remove()
			return nil, fmt.Errorf("%w: no cgroups are mounted", ErrLimits)
		}
		if done[h.Point] {
			continue
		}
		done[h.Point] = true
		dir, err := makeIn(h, wanted(all, h, settings(l, h.V2)))
		if err != nil {
			c.remove()
			return nil, fmt.Errorf("%w: %w%s", ErrLimits, err, limitsWayOut())
		}
		c.dirs = append(c.dirs, dir)
	}
	return c, nil
}

// limitsWayOut ends the messages of limits that cannot be enforced.
func limitsWayOut() string {
	if os.Geteuid() == 0 && !inUserNamespace() {
		return "; leave them out, or set them on the container that this runs in"
	}
	return "; leave them out, run as root, or in a cgroup of your own " +
		"(systemd-run --user --scope -p Delegate=yes s2i …)"
}

// ownHierarchies reads where this process is.
func ownHierarchies() ([]hierarchy, error) {
	mountinfo, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mountinfo.Close()
	cgroups, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	defer cgroups.Close()
	return parseHierarchies(mountinfo, cgroups), nil
}

// wanted picks the settings of the controllers that h is responsible for.
func wanted(all []hierarchy, h hierarchy, by map[string][]setting) map[string][]setting {
	m := map[string][]setting{}
	for controller, list := range by {
		if own, _ := find(all, controller); own.Point == h.Point {
			m[controller] = list
		}
	}
	return m
}

// makeIn makes a cgroup with settings at the first place that takes them.
func makeIn(h hierarchy, want map[string][]setting) (cgroupDir, error) {
	var first error
	for _, place := range h.places() {
		sweep(place)
		if h.V2 {
			for controller := range want {
				_ = os.WriteFile(filepath.Join(place, "cgroup.subtree_control"), []byte("+"+controller), 0)
			}
		}
		dir, err := makeAt(place, h.V2, want)
		if err == nil {
			return dir, nil
		}
		if first == nil {
			first = err
		}
	}
	return cgroupDir{}, first
}

// makeAt makes a cgroup with settings below place.
func makeAt(place string, v2 bool, want map[string][]setting) (cgroupDir, error) {
	own, err := newOwnDir(place)
	d := cgroupDir{ownDir: own, v2: v2}
	if err != nil {
		return d, err
	}
	for controller, list := range want {
		d.controllers = append(d.controllers, controller)
		for _, s := range list {
			err := writeSetting(filepath.Join(d.path, s.file), s.value)
			if err == nil || s.optional {
				continue
			}
			d.remove()
			return cgroupDir{}, err
		}
	}
	return d, nil
}

// writeSetting writes to a file that the kernel has made.
func writeSetting(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// add puts a process, with all that it will start, under the limits.
func (c *cgroup) add(pid int) error {
	if c == nil {
		return nil
	}
	for _, d := range c.dirs {
		if err := writeSetting(filepath.Join(d.path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("%w: %w%s", ErrLimits, err, limitsWayOut())
		}
	}
	return nil
}

// paths gives the cgroups by controller; that of version 2 has no name.
func (c *cgroup) paths() map[string]string {
	m := map[string]string{}
	if c == nil {
		return m
	}
	for _, d := range c.dirs {
		if d.v2 {
			m[""] = d.path
			continue
		}
		for _, controller := range d.controllers {
			m[controller] = d.path
		}
	}
	return m
}

// remove removes the cgroups. Their processes have ended.
func (c *cgroup) remove() {
	if c == nil {
		return
	}
	for _, d := range c.dirs {
		d.remove()
	}
}

// remove removes the cgroup. The kernel may take a moment to see that it is empty.
func (d cgroupDir) remove() {
	for range 50 {
		if err := os.Remove(d.path); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	_ = d.ownDir.remove()
}

// outOfMemory says whether processes were killed because they reached the memory limit.
func (c *cgroup) outOfMemory() bool {
	if c == nil {
		return false
	}
	for _, d := range c.dirs {
		file := "memory.oom_control"
		if d.v2 {
			file = "memory.events"
		}
		f, err := os.Open(filepath.Join(d.path, file))
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(io.LimitReader(f, maxProcFile))
		_ = f.Close()
		for line := range strings.Lines(string(b)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
				return true
			}
		}
	}
	return false
}
