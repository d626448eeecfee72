// Package https gets toolchains from their makers' own distribution sites, for users whose package registry is not
// configured or does not have them.
//
// What is got is verified by SHA-256: the one in the lock, or else the one that the site publishes, which is as good as
// the site's TLS certificate. Callers tell the user when the latter is the case.
package https

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"s2i/stacks/fetch"
)

// Limits of what is read from a site.
const (
	maxIndex = 64 << 20
	maxSums  = 1 << 20
	maxFile  = 1 << 30
)

// ErrNoRelease is in the chain of the error when a site does not have a release for an architecture.
var ErrNoRelease = errors.New("no such release")

// Node is the distribution site of Node.js, or a mirror of it.
type Node struct {
	Base  string // "https://nodejs.org/dist"
	Fetch *fetch.Client
}

// Release is one version of Node.js, without the "v", and the architectures (GOARCH names) that it was built for.
type Release struct {
	Version string
	Arches  []string
}

// nodeArch gives Node's name of an architecture.
func nodeArch(arch string) string {
	if arch == "amd64" {
		return "x64"
	}
	return arch
}

// Releases lists what the site has for Linux.
func (n *Node) Releases(ctx context.Context) ([]Release, error) {
	b, err := n.Fetch.Bytes(ctx, fetch.Request{URL: n.Base + "/index.json"}, maxIndex)
	if err != nil {
		return nil, fmt.Errorf("listing the releases of Node.js: %w", err)
	}
	var index []struct {
		Version string   `json:"version"`
		Files   []string `json:"files"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("reading the list of releases of Node.js: %w", err)
	}
	var list []Release
	for _, r := range index {
		rel := Release{Version: strings.TrimPrefix(r.Version, "v")}
		for _, f := range r.Files {
			switch f {
			case "linux-x64":
				rel.Arches = append(rel.Arches, "amd64")
			case "linux-arm64":
				rel.Arches = append(rel.Arches, "arm64")
			}
		}
		list = append(list, rel)
	}
	return list, nil
}

// Tarball is the name of a release's file for an architecture.
func Tarball(version, arch string) string {
	return "node-v" + version + "-linux-" + nodeArch(arch) + ".tar.gz"
}

// Sum gives the SHA-256 (hexadecimal) that the site publishes for a release's file.
func (n *Node) Sum(ctx context.Context, version, arch string) (string, error) {
	b, err := n.Fetch.Bytes(ctx, fetch.Request{URL: n.Base + "/v" + version + "/SHASUMS256.txt"}, maxSums)
	if err != nil {
		return "", fmt.Errorf("getting the checksums of Node.js %s: %w", version, err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 2 || f[1] != Tarball(version, arch) {
			continue
		}
		if sum, err := hex.DecodeString(f[0]); err != nil || len(sum) != 32 {
			return "", fmt.Errorf("reading the checksums of Node.js %s: %q is no SHA-256", version, f[0])
		}
		return f[0], nil
	}
	return "", fmt.Errorf("reading the checksums of Node.js %s: %w for linux/%s", version, ErrNoRelease, arch)
}

// Get writes a release's file to w from offset on. The caller verifies it.
func (n *Node) Get(ctx context.Context, version, file string, w io.Writer, offset int64, count func(int64)) error {
	return n.Fetch.To(ctx, fetch.Request{URL: n.Base + "/v" + version + "/" + file, Count: count,
		Limit: maxFile}, w, offset)
}
