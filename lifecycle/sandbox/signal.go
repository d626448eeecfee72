package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// terminate asks everything inside to end. The process itself is pid 1 of its namespace, where SIGTERM has no effect
// unless it is caught; so without a handler it is killed, as it would have been elsewhere, once its children are gone.
func terminate(pid int) {
	for _, other := range others(pid) {
		_ = unix.Kill(other, unix.SIGTERM)
	}
	_ = unix.Kill(pid, unix.SIGTERM)
	if expects(pid, unix.SIGTERM) {
		return
	}
	for len(others(pid)) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	_ = unix.Kill(pid, unix.SIGKILL)
}

// others are all processes but pid and this one. Zombies are not counted.
func others(pid int) []int {
	entries, _ := os.ReadDir("/proc")
	var list []int
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n == pid || n == os.Getpid() {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + e.Name() + "/stat"); err != nil || zombie(stat) {
			continue
		}
		list = append(list, n)
	}
	return list
}

// zombie reads the state in /proc/PID/stat, which follows the name in parentheses.
func zombie(stat []byte) bool {
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && i+2 < len(stat) && stat[i+2] == 'Z'
}

// expects says whether the process pid has a handler for the signal, or ignores it on purpose.
func expects(pid int, signal unix.Signal) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		name, hex, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name != "SigCgt" && name != "SigIgn" {
			continue
		}
		mask, err := strconv.ParseUint(hex, 16, 64)
		if err == nil && mask&(1<<(uint(signal)-1)) != 0 {
			return true
		}
	}
	return false
}
