package dockerfile

import (
	"fmt"
	"strconv"
	"strings"
)

// maxPorts bounds a range of ports.
const maxPorts = 65535

// parsePorts reads what EXPOSE takes: a port or a range of them, with an optional protocol, tcp when there is none.
func parsePorts(word string) ([]string, error) {
	ports, proto, ok := strings.Cut(word, "/")
	if proto = strings.ToLower(proto); !ok {
		proto = "tcp"
	}
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return nil, fmt.Errorf("EXPOSE %s: the protocol is tcp, udp or sctp", word)
	}
	if i := strings.LastIndex(ports, ":"); i >= 0 {
		ports = ports[i+1:] // host ports mean nothing in an image
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || from > to || to > maxPorts {
		return nil, fmt.Errorf("EXPOSE %s: ports are numbers from 0 to %d", word, maxPorts)
	}
	var out []string
	for p := from; p <= to; p++ {
		out = append(out, strconv.FormatUint(p, 10)+"/"+proto)
	}
	return out, nil
}
