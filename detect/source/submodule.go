package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const maxSubmoduleDepth = 10

// submodule writes the commit of a submodule into its directory.
func (c *checkout) submodule(ctx context.Context, top *object.Tree, e gitEntry, level int) error {
	if level >= maxSubmoduleDepth {
		return fmt.Errorf("it is more than %d submodules deep", maxSubmoduleDepth)
	}
	data, err := readTreeFile(c.commit, top, ".gitmodules")
	if err != nil {
		return fmt.Errorf("reading .gitmodules: %w", err)
	}
	modules := config.NewModules()
	if err := modules.Unmarshal(data); err != nil {
		return fmt.Errorf("reading .gitmodules: %w", err)
	}
	address := ""
	for _, m := range modules.Submodules {
		if m.Path == e.from {
			address = m.URL
		}
	}
	if address == "" { // git leaves it alone, too
		c.gone = append(c.gone, e.from)
		return nil
	}
	location, err := submoduleLocation(c.location, address)
	if err != nil {
		return err
	}
	fetched, err := c.fetch(ctx, location, e.hash.String())
	if err != nil {
		return fmt.Errorf("from %s: %w", Redact(location), err)
	}
	inner := &checkout{gitSource: c.gitSource, location: location, commit: fetched}
	if _, err := inner.run(ctx, "", e.to, level+1); err != nil {
		return fmt.Errorf("from %s: %w", Redact(location), err)
	}
	return nil
}

// submoduleLocation gives the address of a submodule. One that starts with "./" or "../" is relative to the
// repository's own. A repository cannot make us read another directory of this machine by an absolute address.
func submoduleLocation(parent, address string) (string, error) {
	relative := strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") || address == ".."
	if !relative {
		r, err := ParseRef(address)
		if err != nil || strings.Contains(address, "#") {
			return "", fmt.Errorf("its address %q in .gitmodules is none that can be fetched", Redact(address))
		}
		if _, local := localPath(r.Location); local || r.Kind == Local {
			return "", fmt.Errorf("its address %q in .gitmodules is a place on this machine; only relative ones can be",
				address)
		}
		if r.Kind != Git && r.Kind != URL {
			return "", fmt.Errorf("its address %q in .gitmodules is no git repository", Redact(address))
		}
		return r.Location, nil
	}
	base := strings.TrimRight(parent, "/")
	if path, local := localPath(parent); local && !schemeForm.MatchString(parent) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		base = absolute
	}
	return joinLocation(base, address)
}

// joinLocation goes from a repository's address by "./" and "../" to another.
func joinLocation(base, relative string) (string, error) {
	prefix := ""
	if m := schemeForm.FindString(base); m != "" {
		host, path, ok := strings.Cut(base[len(m):], "/")
		if !ok {
			path = ""
		}
		prefix, base = m+host+"/", path
	} else if scpForm.MatchString(base) {
		at := strings.LastIndex(base, "]:") + 1
		if at == 0 {
			at = strings.IndexByte(base, ':')
		}
		prefix, base = base[:at+1], base[at+1:]
	}
	for {
		var up bool
		switch {
		case relative == "..":
			relative, up = "", true
		case strings.HasPrefix(relative, "../"):
			relative, up = relative[len("../"):], true
		case strings.HasPrefix(relative, "./"):
			relative = relative[len("./"):]
			continue
		}
		if !up {
			break
		}
		if base == "" {
			return "", errors.New("its address in .gitmodules leads above the host's top")
		}
		i := strings.LastIndexByte(base, '/')
		if i < 0 {
			base = ""
		} else {
			base = base[:i]
		}
	}
	relative = strings.TrimRight(relative, "/")
	if base != "" && relative != "" {
		base += "/"
	}
	if prefix == "" && base == "" {
		base = "/"
	}
	return prefix + base + relative, nil
}
