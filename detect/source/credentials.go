package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// login is a user and a password or token, or a whole header. It has no String: it must not be printed.
type login struct{ user, password, header string }

// auth is the login as requests carry it.
func (l *login) auth() githttp.AuthMethod {
	if l.header != "" {
		return authHeader{l.header}
	}
	return &githttp.BasicAuth{Username: l.user, Password: l.password}
}

// authHeader is the value of the header Authorization.
type authHeader struct{ value string }

// Name names the way of authentication.
func (authHeader) Name() string { return "http-header-auth" }

// String names the way of authentication; the value is secret.
func (authHeader) String() string { return "http-header-auth" }

// SetAuth sets the header.
func (h authHeader) SetAuth(r *http.Request) { r.Header.Set("Authorization", h.value) }

// logins gives the logins to try for a repository over https or http, best first, one at a time, because asking for
// some of them starts a program.
//
//  1. what the URL holds;
//  2. S2I_GIT_USERNAME and S2I_GIT_PASSWORD, or what other tools read: GIT_AUTH_HEADER.HOST and GIT_AUTH_TOKEN.HOST, the
//     same without HOST, GIT_TOKEN, GIT_USERNAME and GIT_PASSWORD; for the host of the source itself (not for submodules
//     elsewhere);
//  3. none;
//  4. ~/.netrc (or the file that NETRC names), by host;
//  5. git's credential helpers and GIT_ASKPASS, by "git credential fill" when git is installed.
func logins(ctx context.Context, u *url.URL, o Options, home bool) func() (*login, bool) {
	steps := []func() (*login, bool){
		func() (*login, bool) { return nil, true },
		func() (*login, bool) { l := netrcLogin(o.Getenv, u.Hostname()); return l, l != nil },
	}
	if !o.NoHelpers {
		steps = append(steps, func() (*login, bool) { l := helperLogin(ctx, u); return l, l != nil })
	}
	given := &login{}
	if u.User != nil {
		given.user = u.User.Username()
		given.password, _ = u.User.Password()
	}
	if given.password == "" && home {
		if l := environmentLogin(o.Getenv, u.Host); l != nil {
			given.password, given.user, given.header = l.password, cmp.Or(l.user, given.user, "git"), l.header // hosts that take tokens ignore it
		}
	}
	if *given != (login{}) {
		steps[0] = func() (*login, bool) { return given, true }
	}
	return func() (*login, bool) {
		for len(steps) > 0 {
			step := steps[0]
			steps = steps[1:]
			if l, ok := step(); ok {
				return l, true
			}
		}
		return nil, false
	}
}

// environmentLogin is the login that the environment has for a host; nil when it has none.
func environmentLogin(getenv func(string) string, host string) *login {
	for _, l := range []login{
		{user: getenv("S2I_GIT_USERNAME"), password: getenv("S2I_GIT_PASSWORD")},
		{header: getenv("GIT_AUTH_HEADER." + host)},
		{user: "x-access-token", password: getenv("GIT_AUTH_TOKEN." + host)},
		{header: getenv("GIT_AUTH_HEADER")},
		{user: "x-access-token", password: getenv("GIT_AUTH_TOKEN")},
		{user: "x-access-token", password: getenv("GIT_TOKEN")},
		{user: getenv("GIT_USERNAME"), password: getenv("GIT_PASSWORD")},
	} {
		if l.password != "" || l.header != "" {
			return &l
		}
	}
	return nil
}

// netrcLogin looks a host up in the user's netrc file; nil when it is not there.
func netrcLogin(getenv func(string) string, host string) *login {
	name := getenv("NETRC")
	if name == "" {
		home := getenv("HOME")
		if home == "" {
			return nil
		}
		name = filepath.Join(home, ".netrc")
	}
	data, err := readFileBounded(name)
	if err != nil {
		return nil
	}
	return parseNetrc(data, host)
}

// parseNetrc finds the login for host: "machine" entries, else "default".
func parseNetrc(data []byte, host string) *login {
	words := bufio.NewScanner(bytes.NewReader(withoutMacros(data)))
	words.Buffer(nil, maxRulesFile)
	words.Split(bufio.ScanWords)
	var found, current *login
	next := func() string {
		words.Scan()
		return strings.Trim(words.Text(), `"`)
	}
	for words.Scan() {
		switch words.Text() {
		case "machine":
			current = nil
			if strings.EqualFold(next(), host) {
				current = &login{}
				found = current
			}
		case "default": // comes last, by its definition
			current = nil
			if found == nil {
				current = &login{}
				found = current
			}
		case "login":
			if user := next(); current != nil && current.user == "" {
				current.user = user
			}
		case "password":
			if password := next(); current != nil && current.password == "" {
				current.password = password
			}
		case "account":
			next()
		}
		if current != nil && current.user != "" && current.password != "" {
			return current
		}
	}
	if found == nil || found.password == "" {
		return nil
	}
	return found
}

// withoutMacros drops comments, and macro definitions, which reach to the next empty line.
func withoutMacros(data []byte) []byte {
	var out []byte
	inMacro := false
	for line := range bytes.Lines(data) {
		trimmed := bytes.TrimSpace(line)
		switch {
		case bytes.HasPrefix(trimmed, []byte("macdef")):
			inMacro = true
		case len(trimmed) == 0:
			inMacro = false
		}
		if !inMacro && !bytes.HasPrefix(trimmed, []byte("#")) {
			out = append(append(out, trimmed...), '\n')
		}
	}
	return out
}

// helperLogin asks git's credential helpers; nil when git is not installed or knows nothing. Nobody is asked on the
// terminal.
func helperLogin(ctx context.Context, u *url.URL) *login {
	path := strings.TrimPrefix(u.Path, "/")
	if strings.ContainsFunc(u.Host+path, isControl) {
		return nil // a line break would let the URL ask for another host's password
	}
	cmd := exec.CommandContext(ctx, "git", "credential", "fill")
	cmd.Dir = "/" // not a directory whose configuration could name a helper of its own
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_DIR=/dev/null", "LC_ALL=C")
	request := "protocol=" + u.Scheme + "\nhost=" + u.Host + "\npath=" + path + "\n"
	if user := u.User.Username(); user != "" && !strings.ContainsFunc(user, isControl) {
		request += "username=" + user + "\n"
	}
	cmd.Stdin = strings.NewReader(request + "\n")
	pipe, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(pipe, maxRulesFile))
	if waitErr := cmd.Wait(); err != nil || waitErr != nil {
		return nil
	}
	var l login
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "username":
			l.user = value
		case "password":
			l.password = value
		}
	}
	if l.password == "" {
		return nil
	}
	return &l
}
