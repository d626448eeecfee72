package dockerfile

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isSignal tells whether a word names a signal: by number, or by name in any case, with or without SIG.
func isSignal(word string) bool {
	if n, err := strconv.Atoi(word); err == nil {
		return n > 0 && n <= maxSignal
	}
	name := strings.TrimPrefix(strings.ToUpper(word), "SIG")
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, err := strconv.Atoi(rest)
		return rest == "" || err == nil && rest[0] == '+' && n <= realTime
	}
	if rest, ok := strings.CutPrefix(name, "RTMAX"); ok {
		n, err := strconv.Atoi(rest)
		return rest == "" || err == nil && rest[0] == '-' && -n <= realTime
	}
	return unix.SignalNum("SIG"+name) != 0
}

// Linux has 64 signals; the last ones, without two that the C library keeps, are for applications.
const maxSignal, realTime = 64, 30
