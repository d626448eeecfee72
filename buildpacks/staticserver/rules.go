package staticserver

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// maxRules bounds the size of a file of rules, maxLines the number of rules.
const (
	maxRules = 1 << 20
	maxLines = 2000
)

// rules are what the files _headers and _redirects of a site say.
type rules struct {
	Headers       []kit.SiteHeader
	Redirects     []kit.SiteRedirect
	indexFallback bool
}

// parseHeaders parses _headers: paths, each followed by indented lines "Name: value", or "! Name" to remove a header.
func parseHeaders(data []byte) ([]kit.SiteHeader, error) {
	var all []kit.SiteHeader
	current := ""
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxRules+1)
	for n := 1; lines.Scan(); n++ {
		raw := lines.Text()
		line := strings.TrimSpace(raw)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if raw[0] != ' ' && raw[0] != '\t' {
			if !strings.HasPrefix(line, "/") {
				return nil, fmt.Errorf("_headers:%d: %q is no path: write /path, and indent the headers", n, line)
			}
			current = line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if removed, is := strings.CutPrefix(line, "!"); is {
			name, value, ok = removed, "", true
		}
		name, value = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || current == "" || !isHeader(name, value) || len(all) == maxLines {
			return nil, fmt.Errorf("_headers:%d: %q is no header of a path: write `Name: value` below a path", n, line)
		}
		all = append(all, kit.SiteHeader{Path: current, Name: name, Value: value})
	}
	return all, lines.Err()
}

// The grammars of RFC 9110 §5.1 and §5.5.
var (
	headerName  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	headerValue = regexp.MustCompile(`^[\t\x20-\x7e\x80-\x{10ffff}]*$`)
)

// isHeader tells whether a header can be set: those that frame the message cannot.
func isHeader(name, value string) bool {
	switch name {
	case "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Trailer", "Content-Range", "Etag", "Vary":
		return false
	}
	return headerName.MatchString(name) && headerValue.MatchString(value)
}

// parseRedirects parses _redirects: lines "from to [status[!]]". The rule that answers everything with index.html is
// told apart. Conditions on countries, languages and roles are an error: nobody here could check them.
func parseRedirects(data []byte) (all []kit.SiteRedirect, indexFallback bool, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxRules+1)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), " #")
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		r, err := parseRedirect(fields)
		if err == nil && len(all) == maxLines {
			err = fmt.Errorf("there are more than %d rules", maxLines)
		}
		if err != nil {
			return nil, false, fmt.Errorf("_redirects:%d: %w", n, err)
		}
		if r.From == "/*" && r.To == "/index.html" && r.Status == http.StatusOK {
			indexFallback = true
			continue
		}
		all = append(all, r)
	}
	return all, indexFallback, lines.Err()
}

func parseRedirect(fields []string) (kit.SiteRedirect, error) {
	const most = 3
	if len(fields) < 2 || len(fields) > most {
		return kit.SiteRedirect{}, fmt.Errorf("%q is no rule that is understood: write `/from /to 301`", strings.Join(fields, " "))
	}
	r := kit.SiteRedirect{From: fields[0], To: fields[1], Status: http.StatusMovedPermanently}
	if len(fields) == most {
		status, force := strings.CutSuffix(fields[2], "!")
		n, err := strconv.Atoi(status)
		if err != nil {
			return r, fmt.Errorf("%q is no status", fields[2])
		}
		r.Status, r.Force = n, force
	}
	switch r.Status {
	case http.StatusOK, http.StatusNotFound:
		if !strings.HasPrefix(r.To, "/") {
			return r, fmt.Errorf("%s is on another host: the server fetches nothing from there", r.To)
		}
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
	default:
		return r, fmt.Errorf("status %d: use 200, 301, 302, 303, 307, 308 or 404", r.Status)
	}
	if !strings.HasPrefix(r.From, "/") || !strings.HasPrefix(r.To, "/") && !strings.Contains(r.To, "://") {
		return r, fmt.Errorf("%q is no rule that is understood: write `/from /to 301`", strings.Join(fields, " "))
	}
	return r, nil
}
