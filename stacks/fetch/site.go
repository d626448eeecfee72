package fetch

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Site is one server of packages as a user configures it: an address, and what logs in there. The zero value is a site
// that nobody configured.
type Site struct {
	// Base is the address without user, password, query and slash at its end; empty when nothing is configured.
	Base string

	user  *url.Userinfo // never shown
	host  string        // that the user is for
	netrc Netrc
}

// NewSite is the site at an http, https or file address. User and password in it become credentials for its host; on
// other hosts that the site refers to, netrc holds. Any other address leaves Base empty.
func NewSite(address string, netrc Netrc) Site {
	return Site{netrc: netrc}.At(address)
}

// At is the site at another address, with the same netrc.
func (s Site) At(address string) Site {
	s = Site{netrc: s.netrc}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return s
	}
	s.user, s.host = u.User, u.Host
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	s.Base = strings.TrimRight(u.String(), "/")
	return s
}

// Login is the site with a user and a password for its host.
func (s Site) Login(user, password string) Site {
	s.user = url.UserPassword(user, password)
	return s
}

// Authorize adds credentials to a request: those of the site to its own host, else what .netrc says.
func (s Site) Authorize(req *http.Request) {
	if s.user != nil && req.URL.Host == s.host {
		password, _ := s.user.Password()
		req.SetBasicAuth(s.user.Username(), password)
		return
	}
	s.netrc.Authorize(req)
}

// maxSettings bounds a file of a user's settings.
const maxSettings = 1 << 20

// Settings reads a file of a user's settings. One that is missing, no regular file, larger than 1 MiB, or cannot be
// read is empty: what it would have said is not configured.
func Settings(file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSettings {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSettings))
	if err != nil {
		return nil
	}
	return b
}
