// Package pypi gets files from a Python package index by the simple repository API (PEP 503 in HTML, PEP 691 in JSON):
// which one is configured for pip or uv. Files are chosen from the list and verified by the sha256 that the index states.
package pypi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/lifecycle/progress"
	"s2i/stacks/fetch"
)

// Limits of what is read from an index.
const (
	maxPage  = 64 << 20
	maxWheel = 2 << 30
)

// accept asks for JSON and takes HTML.
const accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

// ErrNoFile is in the chain of the error when an index does not list a file (any more).
var ErrNoFile = errors.New("the index does not list it")

// Index is a Python package index.
type Index struct {
	Site  fetch.Site // the base address of the simple API
	Fetch *fetch.Client
}

// File is one file of a project.
type File struct {
	Name   string // "uv-0.9.1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	SHA256 string // hexadecimal
	URL    string
}

// Files lists a project's files that have a sha256 and were not withdrawn.
func (x *Index) Files(ctx context.Context, project string) ([]File, error) {
	if x.Site.Base == "" {
		return nil, fmt.Errorf("listing the files of Python project %s: %w", project, ErrNotConfigured)
	}
	page := x.page(project)
	b, err := x.Fetch.Bytes(ctx, fetch.Request{URL: page, Authorize: x.Site.Authorize, Accept: accept}, maxPage)
	if err != nil {
		return nil, fmt.Errorf("listing the files of Python project %s: %w", project, err)
	}
	files, err := parsePage(page, b)
	if err != nil {
		return nil, fmt.Errorf("reading what the index says about Python project %s: %w", project, err)
	}
	return files, nil
}

func (x *Index) page(project string) string {
	return x.Site.Base + "/" + url.PathEscape(project) + "/"
}

// Get writes a project's file to w from offset on. The caller verifies it.
func (x *Index) Get(ctx context.Context, project string, f File, w io.Writer, offset int64) error {
	if x.Site.Base == "" {
		return ErrNotConfigured
	}
	ctx, task := progress.Start(ctx, f.Name, 0)
	task.Add(offset)
	req := fetch.Request{Authorize: x.Site.Authorize, Count: task.Add, Limit: maxWheel}
	var err error
	if req.URL, err = x.address(ctx, project, f); err == nil {
		err = x.Fetch.To(ctx, req, w, offset)
	}
	task.End(err)
	return err
}

// address is where a file is: in a vendored tree, which has no pages, where it is told, or as the project's page says.
func (x *Index) address(ctx context.Context, project string, f File) (string, error) {
	if strings.HasPrefix(x.Site.Base, "file:") {
		return x.page(project) + url.PathEscape(f.Name), nil
	}
	if f.URL != "" {
		return f.URL, nil
	}
	files, err := x.Files(ctx, project)
	if err != nil {
		return "", err
	}
	for _, have := range slices.Backward(files) {
		if have.SHA256 == f.SHA256 && have.URL != "" {
			return have.URL, nil
		}
	}
	return "", fmt.Errorf("getting %s: %w", f.Name, ErrNoFile)
}

// parsePage reads a project's page, in JSON or in HTML.
func parsePage(page string, b []byte) ([]File, error) {
	base, err := url.Parse(page)
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(b)); !strings.HasPrefix(text, "{") {
		return parseHTML(base, text), nil
	}
	var doc struct {
		Files []struct {
			Filename string            `json:"filename"`
			URL      string            `json:"url"`
			Hashes   map[string]string `json:"hashes"`
			Yanked   any               `json:"yanked"`
		} `json:"files"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	var list []File
	for _, f := range doc.Files {
		if f.Yanked != nil && f.Yanked != false {
			continue
		}
		if made, ok := makeFile(base, f.Filename, f.URL, f.Hashes["sha256"]); ok {
			list = append(list, made)
		}
	}
	return list, nil
}

var (
	anchor = regexp.MustCompile(`(?is)<a\s([^>]*)>`)
	href   = regexp.MustCompile(`(?is)(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)')`)
	yanked = regexp.MustCompile(`(?i)(?:^|\s)data-yanked(?:\s|=|$)`)
)

func parseHTML(base *url.URL, text string) []File {
	var list []File
	for _, a := range anchor.FindAllStringSubmatch(text, -1) {
		found := href.FindStringSubmatch(a[1])
		if found == nil || yanked.MatchString(a[1]) {
			continue
		}
		link, err := url.Parse(html.UnescapeString(found[1] + found[2]))
		if err != nil {
			continue
		}
		sum, ok := strings.CutPrefix(link.Fragment, "sha256=")
		if !ok {
			continue
		}
		link.Fragment = ""
		if f, ok := makeFile(base, path.Base(link.Path), link.String(), sum); ok {
			list = append(list, f)
		}
	}
	return list
}

// makeFile checks what an index says of a file.
func makeFile(base *url.URL, name, address, sum string) (File, bool) {
	link, err := url.Parse(address)
	if err != nil || name == "" || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
		return File{}, false
	}
	if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
		return File{}, false
	}
	return File{Name: name, SHA256: strings.ToLower(sum), URL: base.ResolveReference(link).String()}, true
}
