package static

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// fileName is the name of the file that describes a site.
const fileName = "Staticfile"

// maxLine bounds a line of a Staticfile.
const maxLine = 64 << 10

// staticfile is what a Staticfile says.
type staticfile struct {
	root          string
	indexFallback bool
	forceHTTPS    bool
	hsts          []string
	// lines are where the keys stand.
	lines map[string]int
}

// parse parses a Staticfile: lines "key: value", comments, blank lines.
func parse(data []byte) (*staticfile, error) {
	s := &staticfile{lines: map[string]int{}}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line == "---" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%s:%d: %q is no setting: write `key: value`", fileName, n, line)
		}
		value, _, _ = strings.Cut(value, " #")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		if err := s.set(strings.TrimSpace(key), value); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", fileName, n, err)
		}
		s.lines[strings.TrimSpace(key)] = n
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", fileName, err)
	}
	return s, nil
}

func (s *staticfile) set(key, value string) error {
	on, err := enabled(value)
	switch key {
	case "root":
		s.root, err = cleanRoot(value)
	case "index_fallback", "pushstate":
		s.indexFallback = s.indexFallback || on
	case "force_https":
		s.forceHTTPS = on
	case "http_strict_transport_security":
		s.addHSTS(on, "max-age=31536000")
	case "http_strict_transport_security_include_subdomains":
		s.addHSTS(on, "includeSubDomains")
	case "http_strict_transport_security_preload":
		s.addHSTS(on, "preload")
	case "host_dot_files":
		if on {
			return fmt.Errorf("%s: files whose names begin with a dot are never served, except below .well-known", key)
		}
	case "directory", "ssi", "location_include", "status_codes", "headers", "ip_allow", "ip_deny":
		if err != nil || on {
			return fmt.Errorf("%s is not supported: the server lists no directories, includes nothing, and takes its rules "+
				"from the files _headers, _redirects and 404.html in the root", key)
		}
	default:
		return fmt.Errorf("%s is no setting that is known: there are root, index_fallback, pushstate, force_https and "+
			"http_strict_transport_security", key)
	}
	return err
}

func (s *staticfile) addHSTS(on bool, directive string) {
	if on {
		s.hsts = append(s.hsts, directive)
	}
}

// enabled reads the words for yes and no.
func enabled(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "enabled", "visible", "on", "yes":
		return true, nil
	case "", "disabled", "off", "no":
		return false, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", value)
	}
	return on, nil
}

// cleanRoot checks the name of a directory of the app.
func cleanRoot(name string) (string, error) {
	clean := path.Clean("./" + strings.TrimPrefix(name, "./"))
	if path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(clean, 0) {
		return "", fmt.Errorf("root %s is not inside the app", name)
	}
	return clean, nil
}

// headers gives the headers that the settings ask for.
func (s *staticfile) headers() []kit.SiteHeader {
	if len(s.hsts) == 0 {
		return nil
	}
	return []kit.SiteHeader{{Path: "/*", Name: "Strict-Transport-Security", Value: strings.Join(s.hsts, "; ")}}
}
