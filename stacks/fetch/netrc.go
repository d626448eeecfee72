package fetch

import (
	"net/http"
	"path/filepath"
	"strings"
)

// Netrc holds the logins of a .netrc file. The zero value has none.
type Netrc struct{ logins []login }

type login struct{ machine, user, password string }

// LoadNetrc reads the user's .netrc ($NETRC, else ~/.netrc). A missing or unreadable file has no logins.
func LoadNetrc(env func(string) string) Netrc {
	file := env("NETRC")
	if file == "" && env("HOME") != "" {
		file = filepath.Join(env("HOME"), ".netrc")
	}
	return parseNetrc(string(Settings(file)))
}

func parseNetrc(text string) Netrc {
	var n Netrc
	var cur login
	words := strings.Fields(dropMacros(text))
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "machine":
			cur = login{machine: words[i+1]}
		case "login":
			cur.user = words[i+1]
		case "password":
			cur.password = words[i+1]
			if cur.machine != "" {
				n.logins = append(n.logins, cur)
			}
		default:
			continue
		}
		i++
	}
	return n
}

// dropMacros leaves out macdef blocks, which end with an empty line.
func dropMacros(text string) string {
	var kept []string
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "macdef"):
			inside = true
		case inside && strings.TrimSpace(line) == "":
			inside = false
		case !inside:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// Authorize adds the login for the request's host. A machine may be followed by a path, as in apt's auth.conf.
func (n Netrc) Authorize(req *http.Request) {
	if req.URL.User != nil || req.URL.Scheme != "https" {
		return // the address has its own; and a password is not for everybody on the way
	}
	for _, l := range n.logins {
		machine := strings.TrimPrefix(l.machine, "https://")
		host, path, hasPath := strings.Cut(machine, "/")
		if host == req.URL.Host || host == req.URL.Hostname() {
			if !hasPath || strings.HasPrefix(req.URL.Path, "/"+path) {
				req.SetBasicAuth(l.user, l.password)
				return
			}
		}
	}
}
