// Package goproxy gets modules, above all Go toolchains (golang.org/toolchain), by the Go module proxy protocol.
//
// The proxies are those that the go command would use: GOPROXY from the environment, from the go command's
// configuration file, or from an installed go command. Lists work as the go command's do: after a comma the next
// proxy is tried when this one does not have the file, after a bar on any error; "off" ends the list, and "direct"
// means the place where Go itself publishes its toolchains.
//
// What is downloaded is verified by its h1 digest: against the lock, or against the Go checksum database, whose
// records are checked cryptographically.
package goproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"s2i/stacks/fetch"
)

// Origin is the module proxy that the Go project publishes toolchains on; it has no other module. It is used for
// "direct" and when no proxy is configured.
const Origin = "https://go.dev/dl/mod"

// ErrOff means that GOPROXY forbids to download.
var ErrOff = errors.New("GOPROXY is off")

// maxSmall bounds the small answers of a proxy.
const maxSmall = 16 << 20

// Client speaks to a list of proxies.
type Client struct {
	// List is the value of GOPROXY; empty means Origin alone.
	List string
	// Fetch does the requests.
	Fetch *fetch.Client
	// Authorize adds credentials; nil means none.
	Authorize func(*http.Request)
	// Origin replaces the constant of that name, for tests.
	Origin string
}

// LoadList finds out what GOPROXY is for the user; empty when nothing says so.
func LoadList(ctx context.Context, env func(string) string) string {
	if v := env("GOPROXY"); v != "" {
		return v
	}
	if v := fromGoEnv(env); v != "" {
		return v
	}
	bin, err := exec.LookPath("go")
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "env", "GOPROXY")
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(out))
}

// fromGoEnv reads the file that "go env -w" writes.
func fromGoEnv(env func(string) string) string {
	file := env("GOENV")
	if file == "off" {
		return ""
	}
	if file == "" {
		dir := env("XDG_CONFIG_HOME")
		if dir == "" {
			dir = filepath.Join(env("HOME"), ".config")
		}
		file = filepath.Join(dir, "go", "env")
	}
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "GOPROXY="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// proxy is one entry of the list.
type proxy struct {
	base  string
	onAny bool // any error leads on to the next one, not only "I do not have it"
	tries int  // as in fetch.Request
}

func (c *Client) proxies() []proxy {
	var list []proxy
	for rest := c.List; rest != ""; {
		entry, onAny := rest, false
		if i := strings.IndexAny(rest, ",|"); i >= 0 {
			entry, onAny, rest = rest[:i], rest[i] == '|', rest[i+1:]
		} else {
			rest = ""
		}
		switch entry = strings.TrimSpace(entry); entry {
		case "":
		case "off":
			return append(list, proxy{base: "off"})
		case "direct":
			// After a proxy it is the last resort, which many networks do not let through.
			return append(list, proxy{base: c.origin(), tries: min(len(list), 1)})
		default:
			list = append(list, proxy{base: strings.TrimRight(entry, "/"), onAny: onAny})
		}
	}
	if len(list) == 0 {
		list = append(list, proxy{base: c.origin()})
	}
	return list
}

func (c *Client) origin() string {
	if c.Origin != "" {
		return c.Origin
	}
	return Origin
}

// each calls get with one proxy after the other until one succeeds.
func (c *Client) each(get func(p proxy) error) error {
	var errs []error
	for _, p := range c.proxies() {
		if p.base == "off" {
			errs = append(errs, ErrOff)
			break
		}
		err := get(p)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if !p.onAny && !fetch.Gone(err) {
			break
		}
	}
	return errors.Join(errs...)
}

// Versions lists the versions of a module that the proxy likes to name. A proxy may have others: see Has.
func (c *Client) Versions(ctx context.Context, mod string) ([]string, error) {
	var list []string
	err := c.each(func(p proxy) error {
		b, err := c.Fetch.Bytes(ctx, fetch.Request{URL: p.base + "/" + mod + "/@v/list", Authorize: c.Authorize, Tries: p.tries}, maxSmall)
		list = strings.Fields(string(b))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the versions of %s: %w", mod, err)
	}
	return list, nil
}

// Has tells whether a version can be had, by asking for its .info file.
func (c *Client) Has(ctx context.Context, m module.Version) (bool, error) {
	err := c.each(func(p proxy) error {
		_, err := c.Fetch.Bytes(ctx, fetch.Request{URL: p.base + "/" + m.Path + "/@v/" + m.Version + ".info",
			Authorize: c.Authorize, Tries: p.tries}, maxSmall)
		return err
	})
	if fetch.Gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for %s@%s: %w", m.Path, m.Version, err)
	}
	return true, nil
}

// Zip writes the zip of a module version to w from offset on; count is told of the bytes. The caller
// verifies it and names it in errors.
func (c *Client) Zip(ctx context.Context, m module.Version, w io.Writer, offset int64, count func(int64)) error {
	start := offset
	return c.each(func(p proxy) error {
		out := &counter{w: w}
		err := c.Fetch.To(ctx, fetch.Request{URL: p.base + "/" + m.Path + "/@v/" + m.Version + ".zip",
			Authorize: c.Authorize, Count: count, Tries: p.tries}, out, start)
		start += out.n
		return err
	})
}

// maxZip bounds a module's zip.
const maxZip = 1 << 30

type counter struct {
	w io.Writer
	n int64
}

// Write fails beyond maxZip.
func (c *counter) Write(p []byte) (int, error) {
	if c.n += int64(len(p)); c.n > maxZip {
		return 0, errors.New("the zip is larger than 1 GiB")
	}
	return c.w.Write(p)
}
