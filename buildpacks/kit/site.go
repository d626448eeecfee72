package kit

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/buildpacks/libcnb/v2"
)

// StaticSite is the name that a buildpack provides whose build leaves files to be served: s2i/static-server, which
// comes after it in the order, requires that name, serves the files and contributes the process. (The provider of a
// name stands before who requires it, buildpack §Phase #1; so it cannot be the server that is provided.) The buildpack
// tells in its build what to serve, by the layer that [Site.Layer] gives.
const StaticSite = "static-site"

// envSite carries a Site from the build of one buildpack to that of s2i/static-server.
const envSite = "S2I_STATIC_SITE"

// Site tells s2i/static-server what to serve, and how.
type Site struct {
	// Root is the directory of the files, relative to the app: "dist", "." for the app itself.
	Root string `json:"root"`
	// IndexFallback answers a path that is no file with index.html: for apps that route in the browser.
	IndexFallback bool `json:"index-fallback,omitempty"`
	// Keep leaves the app in the image. Otherwise only the files of Root are in it.
	Keep bool `json:"keep,omitempty"`
	// ForceHTTPS redirects what came to a proxy without encryption.
	ForceHTTPS bool `json:"force-https,omitempty"`
	// Immutable are directories of Root in which every file's name changes with its content: "_next/static".
	Immutable []string `json:"immutable,omitempty"`
	// Headers are added to answers.
	Headers []SiteHeader `json:"headers,omitempty"`
	// Redirects are tried in order, for paths that are no files.
	Redirects []SiteRedirect `json:"redirects,omitempty"`
	// Hidden are names at the top of Root that are not served: "vendor".
	Hidden []string `json:"hidden,omitempty"`
	// FastCGI, when it is set, answers what is no file. Keep must be set too.
	FastCGI *SiteFastCGI `json:"fastcgi,omitempty"`
}

// SiteHeader is a header for the paths that Path matches: "/app/*", "/users/:id". An empty Value removes the header.
type SiteHeader struct {
	Path  string `json:"path"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SiteRedirect answers the paths that From matches with a redirect to To, or, when Status is 200, with the file To.
// To may contain :splat and the names of From's segments.
type SiteRedirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status"`
	// Force redirects even from a path that is a file.
	Force bool `json:"force,omitempty"`
}

// SiteFastCGI is a FastCGI program that the server starts and stops with itself.
type SiteFastCGI struct {
	// Command is started without a shell and stays in the foreground. It listens at the Unix socket that the variable
	// S2I_FASTCGI_SOCKET names. Its first word is an absolute path.
	Command []string `json:"command"`
	// Front is the script for paths that are neither files nor scripts, relative to Root: "index.php".
	Front string `json:"front,omitempty"`
	// Suffix tells scripts from files: ".php". Files with it are never served.
	Suffix string `json:"suffix"`
}

// Layer gives the layer that tells s2i/static-server of the site.
func (s Site) Layer(layers libcnb.Layers) (libcnb.Layer, error) {
	layer, err := layers.Layer("site")
	if err != nil {
		return layer, fmt.Errorf("reading layer site: %w", err)
	}
	if layer, err = Fresh(layer, libcnb.LayerTypes{Build: true}, ""); err != nil {
		return layer, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return layer, fmt.Errorf("describing the site in %s: %w", s.Root, err)
	}
	layer.BuildEnvironment = libcnb.Environment{}
	layer.BuildEnvironment.Override(envSite, string(text))
	return layer, nil
}

// ReadSite gives the site that an earlier buildpack left to be served.
func ReadSite(env Env) (Site, error) {
	var s Site
	if env[envSite] == "" {
		return s, fmt.Errorf("reading %s: it is not set: no buildpack before this one has said what to serve", envSite)
	}
	if err := json.Unmarshal([]byte(env[envSite]), &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", envSite, err)
	}
	s.Root = path.Clean(strings.TrimPrefix(s.Root, "./"))
	if path.IsAbs(s.Root) || s.Root == ".." || strings.HasPrefix(s.Root, "../") {
		return s, fmt.Errorf("reading %s: root %s is not inside the app", envSite, s.Root)
	}
	return s, nil
}
