// Package maven gets artifacts from a Maven repository: the one that the user's Maven settings name. Versions come from
// maven-metadata.xml, and a file is verified by the .sha512 beside it.
package maven

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strings"

	"s2i/lifecycle/progress"
	"s2i/stacks/fetch"
)

// Limits of what is read from a repository.
const (
	maxMetadata = 16 << 20
	maxSum      = 4 << 10
	maxArtifact = 2 << 30
)

// Repository is a Maven repository.
type Repository struct {
	Site  fetch.Site
	Fetch *fetch.Client
}

// Artifact names a file: org.apache.maven:apache-maven:3.9.9:bin@tar.gz.
type Artifact struct {
	Group, Name, Version string
	Classifier           string // may be empty
	Extension            string
}

// ParseCoordinates reads group:name:classifier@extension, to which a version is still to be added.
func ParseCoordinates(text string) (Artifact, error) {
	rest, ext, ok := strings.Cut(text, "@")
	parts := strings.Split(rest, ":")
	if !ok || ext == "" || len(parts) < 2 || len(parts) > 3 {
		return Artifact{}, fmt.Errorf("reading the Maven coordinates %q: they are group:name[:classifier]@extension", text)
	}
	a := Artifact{Group: parts[0], Name: parts[1], Extension: ext}
	if len(parts) == 3 {
		a.Classifier = parts[2]
	}
	return a, nil
}

// dir is the artifact's directory in a repository, without a version.
func (a Artifact) dir() string {
	return strings.ReplaceAll(a.Group, ".", "/") + "/" + url.PathEscape(a.Name)
}

// Path is where the file is in a repository.
func (a Artifact) Path() string {
	file := a.Name + "-" + a.Version
	if a.Classifier != "" {
		file += "-" + a.Classifier
	}
	return a.dir() + "/" + url.PathEscape(a.Version) + "/" + url.PathEscape(file+"."+a.Extension)
}

// Versions lists the published versions of an artifact.
func (r *Repository) Versions(ctx context.Context, a Artifact) ([]string, error) {
	b, err := r.bytes(ctx, a.dir()+"/maven-metadata.xml", maxMetadata)
	if err != nil {
		return nil, fmt.Errorf("listing the versions of %s:%s: %w", a.Group, a.Name, err)
	}
	var doc struct {
		Versions []string `xml:"versioning>versions>version"`
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("reading the list of versions of %s:%s: %w", a.Group, a.Name, err)
	}
	return doc.Versions, nil
}

// Sum gives a digest that the repository publishes for a file, in hexadecimal: kind is "sha512" or "sha1".
func (r *Repository) Sum(ctx context.Context, a Artifact, kind string) (string, error) {
	b, err := r.bytes(ctx, a.Path()+"."+kind, maxSum)
	if err != nil {
		return "", fmt.Errorf("getting the %s of %s: %w", kind, a.Path(), err)
	}
	size := map[string]int{"sha512": 64, "sha1": 20}[kind]
	fields := strings.Fields(string(b))
	if len(fields) > 0 {
		if sum, err := hex.DecodeString(fields[0]); err == nil && len(sum) == size {
			return strings.ToLower(fields[0]), nil
		}
	}
	return "", fmt.Errorf("getting the %s of %s: what the repository has is none", kind, a.Path())
}

func (r *Repository) bytes(ctx context.Context, path string, limit int64) ([]byte, error) {
	if r.Site.Base == "" {
		return nil, ErrNotConfigured
	}
	return r.Fetch.Bytes(ctx, fetch.Request{URL: r.Site.Base + "/" + path, Authorize: r.Site.Authorize}, limit)
}

// Get writes a file to w from offset on. The caller verifies it.
func (r *Repository) Get(ctx context.Context, a Artifact, w io.Writer, offset int64) error {
	if r.Site.Base == "" {
		return ErrNotConfigured
	}
	ctx, task := progress.Start(ctx, a.Name+" "+a.Version, 0)
	task.Add(offset)
	req := fetch.Request{URL: r.Site.Base + "/" + a.Path(), Authorize: r.Site.Authorize, Count: task.Add,
		Limit: maxArtifact}
	err := r.Fetch.To(ctx, req, w, offset)
	task.End(err)
	return err
}
