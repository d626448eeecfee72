package server

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Site is what the server is told to serve: a JSON file made when the image was built.
type Site struct {
	// Root is the directory of the files, Variants that of their compressed forms: the same names, and ".gz" or ".zst".
	Root     string `json:"root"`
	Variants string `json:"variants,omitempty"`
	// Files are all that is served, by path without a leading slash.
	Files map[string]File `json:"files"`
	// IndexFallback answers paths that are no files with index.html.
	IndexFallback bool `json:"index-fallback,omitempty"`
	// ForceHTTPS redirects requests that a proxy marks as not encrypted.
	ForceHTTPS bool `json:"force-https,omitempty"`
	// Live serves files of Root that are not listed too: what appeared there after the build.
	Live      bool       `json:"live,omitempty"`
	Headers   []Header   `json:"headers,omitempty"`
	Redirects []Redirect `json:"redirects,omitempty"`
	// Hidden are names at the top of Root that are not served, even when Live is set.
	Hidden  []string `json:"hidden,omitempty"`
	FastCGI *FastCGI `json:"fastcgi,omitempty"`
}

// isHidden tells whether a path is below one of the names that are not served.
func (s *Site) isHidden(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return slices.Contains(s.Hidden, first)
}

// File is one file of a site.
type File struct {
	Size int64 `json:"size"`
	// Type is the media type.
	Type string `json:"type"`
	// Tag stands for the content: a part of its digest.
	Tag string `json:"tag"`
	// Immutable tells that the name changes with the content.
	Immutable bool `json:"immutable,omitempty"`
	// Encodings are the compressed forms by content coding, with their sizes.
	Encodings map[string]int64 `json:"encodings,omitempty"`
}

// Header is a header for the paths that Path matches; an empty Value removes it.
type Header struct {
	Path  string `json:"path"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Redirect is a redirect, or with Status 200 another file, for the paths that From matches.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status"`
	Force  bool   `json:"force,omitempty"`
}

// FastCGI is the program that answers what is no file.
type FastCGI struct {
	// Command is started with the socket's path in the variable S2I_FASTCGI_SOCKET. Its first word is an absolute path.
	Command []string `json:"command"`
	Front   string   `json:"front,omitempty"`
	Suffix  string   `json:"suffix"`
}

// ReadSite reads a site's file.
func ReadSite(name string) (*Site, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the site: %w", err)
	}
	s := &Site{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("reading the site %s: %w", name, err)
	}
	return s, nil
}

// Codings are the content codings of compressed forms, the preferred first, with the suffixes of their files.
func Codings() []Coding {
	return []Coding{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}
}

// Coding is a content coding (RFC 9110 §8.4.1).
type Coding struct{ Name, Suffix string }
