package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"s2i/lifecycle"
)

// endpoint is an address that a process of this machine listens on.
type endpoint struct {
	address netip.Addr
	port    int
}

// listening lists the TCP endpoints that processes listen on in this network namespace (proc(5), /proc/net/tcp). It is
// empty where there is no such list.
func listening() []endpoint {
	var all []endpoint
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		all = append(all, parseListening(f)...)
		_ = f.Close()
	}
	return all
}

// parseListening reads the form of /proc/net/tcp and tcp6: the second column is the local address, as 32-bit words in
// the machine's order, and port; the fourth the state, 0A for listening.
func parseListening(r io.Reader) []endpoint {
	const state = "0A"
	var found []endpoint
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != state {
			continue
		}
		words, text, ok := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(text, 16, 16)
		raw, err2 := hex.DecodeString(words)
		if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
			continue
		}
		for i := 0; i < len(raw); i += 4 {
			binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
		}
		if address, ok := netip.AddrFromSlice(raw); ok {
			found = append(found, endpoint{address.Unmap(), int(port)})
		}
	}
	return found
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail bounds what is kept, in bytes.
const maxTail = 16 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - maxTail; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// quoted gives the last lines, fit for a terminal, to be put at the end of an error.
func (t *tail) quoted() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 300 // bytes of a line
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return "\nit wrote nothing"
	}
	var b strings.Builder
	b.WriteString("\nthe last of its output:")
	for _, line := range lines[max(0, len(lines)-smokeOutput):] {
		b.WriteString("\n  " + lifecycle.PlainLine(line, most))
	}
	return b.String()
}
