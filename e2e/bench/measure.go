package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"s2i/lifecycle/sandbox"
)

// sample is one measurement.
type sample struct {
	wall, cpu float64 // seconds; cpu is that of all processes together
	memory    float64 // MB that the process and others of the same program below it used at most
	requests  int64
}

// command is a process to measure.
type command struct {
	args []string
	dir  string
	env  []string
}

// run measures a command from start to end.
func (c command) run(ctx context.Context) (sample, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) //nolint:gosec // that is what a benchmark does
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	stop := make(chan struct{})
	var peak atomic.Int64
	go watch(cmd.Process.Pid, &peak, stop)
	err := cmd.Wait()
	s := sample{wall: time.Since(start).Seconds(), memory: float64(peak.Load()) / 1e3}
	close(stop)
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, out.String())
	}
	s.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && s.memory == 0 {
		s.memory = float64(usage.Maxrss) / 1e3
	}
	return s, err
}

// sandboxed measures a process in a sandbox of this program's.
func sandboxed(ctx context.Context, box sandbox.Sandbox, p sandbox.Process) (sample, error) {
	start, before := time.Now(), ended()
	err := box.Run(ctx, p)
	return sample{wall: time.Since(start).Seconds(), cpu: ended() - before}, err
}

// ended is the CPU time, in seconds, of all processes below this one that have ended.
func ended() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// failing is for a command that has to fail where the part ends that is measured.
func failing(s sample, err error) (sample, error) {
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 52 {
		return s, nil
	}
	return s, fmt.Errorf("the command did not fail where it should: %w", err)
}

// watch follows the largest resident size of a process together with those of the same program below it, in kB.
func watch(pid int, peak *atomic.Int64, stop <-chan struct{}) {
	own := strconv.Itoa(pid)
	for {
		kb, _ := resident(own)
		for _, below := range sameProgram(own) {
			size, _ := resident(below)
			kb += size
		}
		peak.Store(max(peak.Load(), kb))
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// resident is the largest size of a process so far, in kB, and its parent.
func resident(pid string) (kb int64, parent string) {
	status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	for line := range strings.Lines(string(status)) {
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "PPid":
			parent = strings.TrimSpace(value)
		case "VmHWM":
			kb, _ = strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		}
	}
	return kb, parent
}

// sameProgram lists the children of a process that are the same program.
func sameProgram(pid string) (below []string) {
	program, err := os.Readlink(filepath.Join("/proc", pid, "exe"))
	if err != nil {
		return nil
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if other, err := os.Readlink(link); err != nil || other != program {
			continue
		}
		child := filepath.Base(filepath.Dir(link))
		if _, parent := resident(child); parent == pid {
			below = append(below, child)
		}
	}
	return below
}

// measured is something to measure in its i-th round.
type measured func(ctx context.Context, i int) (sample, error)

// pairs measures floor and ours in turn, and prints one line.
func (w *world) pairs(ctx context.Context, name, goal string, rounds int, floor, ours measured) error {
	var floors, all []sample
	var ratios, cpus []float64
	for i := range rounds {
		f, err := floor(ctx, i)
		if err != nil {
			return err
		}
		s, err := ours(ctx, i)
		if err != nil {
			return err
		}
		floors, all = append(floors, f), append(all, s)
		ratios = append(ratios, s.wall/f.wall)
		cpus = append(cpus, s.cpu/max(f.cpu, 0.001))
	}
	wall := func(s sample) float64 { return s.wall }
	requests := "-"
	if r := middle(each(all, func(s sample) int64 { return s.requests })); r > 0 {
		requests = strconv.FormatInt(r, 10)
		if f := middle(each(floors, func(s sample) int64 { return s.requests })); f > 0 {
			requests += "/" + strconv.FormatInt(f, 10)
		}
	}
	_, err := fmt.Fprintf(w.out, "%-38s %10.3f %10.3f %7.2f %7.2f %9.0f %8s  %s\n", name, middle(each(floors, wall)), middle(each(all, wall)),
		middle(ratios), middle(cpus), middle(each(all, func(s sample) float64 { return s.memory })), requests, goal)
	return err
}

func each[T any](samples []sample, get func(sample) T) []T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = get(s)
	}
	return values
}

func middle[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// always measures the same command in every round.
func always(c command) measured {
	return func(ctx context.Context, _ int) (sample, error) { return c.run(ctx) }
}

// nothing is a floor of doing nothing: for what has no peer.
func nothing(context.Context, int) (sample, error) { return sample{wall: 1, cpu: 1}, nil }
