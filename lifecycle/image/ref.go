package image

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kind is where an image lives.
type Kind int

// The kinds of places.
const (
	Local         Kind = iota // the store
	Registry                  // a registry
	OCILayout                 // a directory in the form of an OCI image layout
	DockerArchive             // a file as docker save writes it
	OCIArchive                // a file with an OCI image layout
	Daemon                    // a docker daemon
)

// Ref says where an image lives and what it is called there. Its zero value names nothing.
type Ref struct {
	Kind Kind
	// Name is the name of the image there: "host/repo:tag", "app:1", a tag of a layout. It may be empty for layouts
	// and archives.
	Name string
	// Path is the directory or the file of layouts and archives.
	Path string
}

// prefixes are the written forms of the kinds that have one.
func prefixes() map[string]Kind {
	return map[string]Kind{
		"store": Local, "oci": OCILayout, "docker-archive": DockerArchive, "oci-archive": OCIArchive,
		"docker-daemon": Daemon,
	}
}

// Parse reads a reference:
//
//	host/repo[:tag][@digest]        a registry: the first part contains "." or ":" or is "localhost"
//	name[:tag], sha256:…            a local image
//	store:name[:tag]                a local image, whatever its name looks like
//	oci:DIR[:TAG]                   an OCI layout directory
//	docker-archive:FILE[:NAME]      a file as docker save writes it
//	oci-archive:FILE[:NAME]         the same file: what is written can be read as both
//	docker-daemon:NAME              a docker daemon
//
// DIR and FILE cannot contain a colon.
func Parse(s string) (Ref, error) {
	if strings.Contains(s, "://") {
		return Ref{}, fmt.Errorf("parsing image reference %q: it is no URL; write it without the scheme", s)
	}
	prefix, rest, found := strings.Cut(s, ":")
	if kind, ok := prefixes()[prefix]; found && ok {
		return parsePrefixed(kind, prefix, rest)
	}
	if namesHost(s) {
		if _, err := name.ParseReference(s, name.WeakValidation); err != nil {
			return Ref{}, fmt.Errorf("parsing image reference %q: %w", s, err)
		}
		return Ref{Kind: Registry, Name: s}, nil
	}
	return parseLocal(s)
}

func parsePrefixed(kind Kind, prefix, rest string) (Ref, error) {
	switch kind {
	case Local:
		return parseLocal(rest)
	case Daemon:
		if _, err := name.ParseReference(rest, name.WeakValidation); err != nil {
			return Ref{}, fmt.Errorf("parsing image reference %q: %w", prefix+":"+rest, err)
		}
		return Ref{Kind: kind, Name: rest}, nil
	default:
		path, imageName, _ := strings.Cut(rest, ":")
		if path == "" {
			return Ref{}, fmt.Errorf("parsing image reference %q: no path after %q", prefix+":"+rest, prefix+":")
		}
		return Ref{Kind: kind, Path: path, Name: imageName}, nil
	}
}

func parseLocal(s string) (Ref, error) {
	if _, err := v1.NewHash(s); err == nil {
		return Ref{Kind: Local, Name: s}, nil
	}
	full := s
	if !namesHost(s) {
		full = "localhost/" + s
	}
	if _, err := name.ParseReference(full, name.WeakValidation); err != nil {
		return Ref{}, fmt.Errorf("parsing image name %q: a local image is written name[:tag] in lower case, "+
			"one in a registry host/name[:tag]", s)
	}
	return Ref{Kind: Local, Name: s}, nil
}

// namesHost tells whether the first part of a name is a registry's host.
func namesHost(s string) bool {
	host, _, ok := strings.Cut(s, "/")
	return ok && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// String writes the reference as Parse reads it.
func (r Ref) String() string {
	switch r.Kind {
	case Local:
		if namesHost(r.Name) {
			return "store:" + r.Name
		}
		return r.Name
	case Registry:
		return r.Name
	case Daemon:
		return "docker-daemon:" + r.Name
	}
	s := r.Path
	if r.Name != "" {
		s += ":" + r.Name
	}
	for prefix, kind := range prefixes() {
		if kind == r.Kind {
			return prefix + ":" + s
		}
	}
	return s
}

// reference is the parsed form of a registry's Name. Plain http is possible for hosts that are listed as insecure.
func (c *Client) reference(r Ref) (name.Reference, error) {
	opts := []name.Option{name.WeakValidation}
	if c.insecure(hostOf(r.Name)) {
		opts = append(opts, name.Insecure)
	}
	ref, err := name.ParseReference(r.Name, opts...)
	if err != nil {
		return nil, fmt.Errorf("parsing image reference %q: %w", r.Name, err)
	}
	return ref, nil
}

func hostOf(name string) string {
	host, _, _ := strings.Cut(name, "/")
	return host
}

func (c *Client) insecure(host string) bool {
	for _, h := range c.Insecure {
		if h == "*" || h == host || !strings.Contains(h, ":") && strings.HasPrefix(host, h+":") {
			return true
		}
	}
	return false
}
