package kit

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// unreached is a host that a tool could not reach, and how that showed.
type unreached struct{ Host, Why string }

// The watch on a tool's output is bounded: by the bytes of a line that are looked at, by the lines that may lie between
// an address and what is said about it, and by the hosts that are kept.
const (
	maxWatchedLine = 4 << 10
	maxDistance    = 4
	maxUnreached   = 8
)

// hostWatch reads the output of a tool and keeps the hosts that it says it could not reach. It is no judge of why a
// tool failed: one that fails for another reason may have got over a host that was missing.
type hostWatch struct {
	line  []byte
	found []unreached
	last  string // the host of the last address, seen distance lines ago
	after int
	// open is a sign without an address, seen waited lines ago: the address may follow.
	open   string
	waited int
}

// Write never fails.
func (w *hostWatch) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\r\n")
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		w.line = append(w.line, part[:min(len(part), maxWatchedLine-len(w.line))]...)
		if end < 0 {
			break
		}
		w.flush()
		rest = rest[end+1:]
	}
	return len(p), nil
}

// flush takes in the line so far.
func (w *hostWatch) flush() {
	if len(w.line) > 0 {
		w.take(string(w.line))
	}
	w.line = w.line[:0]
}

// take looks at one line.
func (w *hostWatch) take(line string) {
	w.after++
	w.waited++
	lower := strings.ToLower(line)
	why := signOf(lower)
	host := hostIn(lower, why != "")
	if address := addressIn(lower); address != "" {
		w.last, w.after = address, 0
		if w.open != "" && w.waited <= maxDistance && why == "" {
			w.add(address, w.open)
		}
		w.open = ""
	}
	switch {
	case why == "":
	case host != "":
		w.add(host, why)
	case w.last != "" && w.after <= maxDistance:
		w.add(w.last, why)
	default:
		w.open, w.waited = why, 0
	}
}

// add keeps a host. The first exact reason stays.
func (w *hostWatch) add(host, why string) {
	i := slices.IndexFunc(w.found, func(u unreached) bool { return u.Host == host })
	switch {
	case i >= 0 && w.found[i].Why == noAnswer:
		w.found[i].Why = why
	case i < 0 && len(w.found) < maxUnreached:
		w.found = append(w.found, unreached{host, why})
	}
}

// What is wrong with a host, as the error says it.
const (
	noName   = "its name does not resolve"
	refused  = "it refuses connections"
	silent   = "it does not answer"
	broken   = "it breaks connections off"
	noRoute  = "there is no route to it"
	untrust  = "its certificate is not trusted"
	denied   = "it answers 403 Forbidden: a proxy or the server does not allow it"
	viaProxy = "the proxy refuses to connect to it"
	noAnswer = "no connection"
)

// sign is what tools print, in lower case, when something is wrong with a host.
type sign struct{ text, why string }

// signs are in order of exactness.
var signs = []sign{
	{"enotfound", noName}, {"eai_again", noName}, {"could not resolve host", noName}, {"couldn't resolve host", noName},
	{"name or service not known", noName}, {"no such host", noName}, {"temporary failure in name resolution", noName},
	{"failed to lookup address", noName}, {"dns error", noName}, {"unknownhostexception", noName},
	{"unknown host ", noName}, {"unable to resolve host", noName}, {"could not reach host", noName},
	{"failed to resolve address", noName}, {"nodename nor servname", noName},
	{"tunnel connection failed", viaProxy}, {"tunneling socket could not be established", viaProxy},
	{"connect tunnel failed", viaProxy}, {"cannot connect to proxy", viaProxy}, {"tunnel error: unsuccessful", viaProxy},
	{"407 proxy authentication", viaProxy}, {"proxyconnect tcp", viaProxy},
	{"econnrefused", refused}, {"connection refused", refused}, {"connectionrefused", refused},
	{"etimedout", silent}, {"connection timed out", silent}, {"connect timed out", silent}, {"i/o timeout", silent},
	{"err_socket_timeout", silent}, {"connecttimeout", silent}, {"und_err_connect_timeout", silent},
	{"econnreset", broken}, {"connection reset", broken},
	{"enetunreach", noRoute}, {"network is unreachable", noRoute}, {"ehostunreach", noRoute}, {"no route to host", noRoute},
	{"self signed certificate", untrust}, {"self-signed certificate", untrust}, {"certificate verify failed", untrust},
	{"unable to get local issuer", untrust}, {"signed by unknown authority", untrust},
	{"pkix path building failed", untrust}, {"invalid peer certificate", untrust},
	{"403 forbidden", denied}, {"403 (forbidden)", denied}, {"403: forbidden", denied}, {"status code: 403", denied},
	{"response code: 403", denied}, {"fetch_403", denied}, {"forbidden - 403", denied}, {"got http response code 403", denied},
	{"error: 403", denied}, {"code 403", denied}, {"http/2 403", denied}, {"http/1.1 403", denied},
	{"returned error: 403", denied}, {"statuscode=403", denied},
	{"error sending request for url", noAnswer}, {"failed to connect to ", noAnswer},
	{"could not transfer artifact", noAnswer}, {"could not fetch specs from", noAnswer}, {"fetch failed", noAnswer},
}

// answers are what a tool says of a host that has answered.
func answers() []string { return []string{"404", "401", "not authorized", "unauthorized"} }

// signOf gives what a line says is wrong with a host, or "". A file that is not there is no host that is not there, and a
// host that asks for credentials has been reached.
func signOf(lower string) string {
	for _, s := range signs {
		if strings.Contains(lower, s.text) {
			if s.why == noAnswer && slices.ContainsFunc(answers(), func(a string) bool { return strings.Contains(lower, a) }) {
				return ""
			}
			return s.why
		}
	}
	return ""
}

// named are the ways in which tools name a host without an address.
var named = []*regexp.Regexp{
	regexp.MustCompile(`(?:enotfound|eai_again) ([a-z0-9.-]+)`),
	regexp.MustCompile(`resolve host(?:name)?(?: address)?:? ['"(]*([a-z0-9.-]+)`),
	regexp.MustCompile(`lookup ([a-z0-9.-]+)(?: on |:)`),
	regexp.MustCompile(`unknown ?host(?:exception)?:? ([a-z0-9.-]+)`),
	regexp.MustCompile(`reach host ([a-z0-9.-]+)`),
	regexp.MustCompile(`host='([a-z0-9.-]+)'`),
	regexp.MustCompile(`connect to ([a-z0-9.-]+)(?: port |:)`),
	regexp.MustCompile(`address for ([a-z0-9.-]+)`),
	regexp.MustCompile(`([a-z0-9.-]+): (?:name or service not known|temporary failure in name resolution)`),
	regexp.MustCompile(`https fetch: get "https?://([a-z0-9.-]+)`),
}

// numbered is an address without a name, the last resort.
var numbered = regexp.MustCompile(`(?:econnrefused|etimedout|ehostunreach|enetunreach|dial tcp) \[?([0-9a-f.:]+?)\]?:[0-9]+`)

// addressed is the host of an address. A user and a password before it are passed over.
var addressed = regexp.MustCompile(`(?:https?|ssh|git)://(?:[^/\s@"'<>]*@)?([a-z0-9.-]+)`)

// hostIn gives the host that a line in lower case is about, or "".
func hostIn(lower string, failed bool) string {
	if !failed {
		return ""
	}
	for _, pattern := range named {
		for _, match := range pattern.FindAllStringSubmatch(lower, -1) {
			if host := hostname(match[1]); host != "" {
				return host
			}
		}
	}
	if host := addressIn(lower); host != "" {
		return host
	}
	if match := numbered.FindStringSubmatch(lower); match != nil {
		return match[1]
	}
	return ""
}

// addressIn gives the host of the last address in a line, or "".
func addressIn(lower string) string {
	host := ""
	if !strings.Contains(lower, "://") {
		return host
	}
	for _, match := range addressed.FindAllStringSubmatch(lower, -1) {
		if h := hostname(match[1]); h != "" {
			host = h
		}
	}
	return host
}

// hostname gives name when it can be a host's, else "": a word of a sentence has no dot inside.
func hostname(name string) string {
	name = strings.Trim(name, ".-")
	if len(name) > 253 || name != "localhost" && !strings.Contains(name, ".") {
		return ""
	}
	return name
}

// unreachedText says which hosts could not be reached. Whoever shows a failed build finds them by these words.
func unreachedText(found []unreached) string {
	var parts []string
	for _, u := range found {
		parts = append(parts, u.Host+" ("+u.Why+")")
	}
	return "could not reach " + strings.Join(parts, ", ")
}
