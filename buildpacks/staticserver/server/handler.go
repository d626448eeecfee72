package server

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Handler answers requests for a site.
type Handler struct {
	site           *Site
	root, variants *os.Root
	// script answers what is no file; it may be nil.
	script *scripts
}

// New opens a site's directories.
func New(site *Site) (*Handler, error) {
	h := &Handler{site: site}
	var err error
	if h.root, err = os.OpenRoot(site.Root); err != nil {
		return nil, fmt.Errorf("opening the site's files: %w", err)
	}
	if site.Variants == "" {
		return h, nil
	}
	if h.variants, err = os.OpenRoot(site.Variants); err != nil {
		return nil, fmt.Errorf("opening the site's compressed files: %w", err)
	}
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	name, dir := clean(r.URL.Path)
	switch {
	case name == "healthz" && !dir && !h.has(name):
		h.health(w)
	case h.site.ForceHTTPS && r.Header.Get("X-Forwarded-Proto") == "http":
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	case hidden(name):
		h.missing(w, r, name)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.otherMethod(w, r)
	case r.URL.Path != canonical(name, dir):
		redirectTo(w, r, canonical(name, dir), http.StatusMovedPermanently)
	default:
		h.find(w, r, name, dir)
	}
}

func (h *Handler) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", typeText)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
}

func (h *Handler) otherMethod(w http.ResponseWriter, r *http.Request) {
	if h.script != nil {
		h.headers(w, r)
		h.script.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

// find answers a path: a forced redirect, a file, a redirect, a script, the index, or nothing.
func (h *Handler) find(w http.ResponseWriter, r *http.Request, name string, dir bool) {
	if h.redirect(w, r, name, true) {
		return
	}
	if dir && h.script.hasIndex(name) {
		h.headers(w, r)
		h.script.ServeHTTP(w, r)
		return
	}
	if file, there := h.file(name, dir); there {
		h.serve(w, r, file, http.StatusOK)
		return
	}
	if !dir && (h.has(path.Join(name, "index.html")) || h.script.hasIndex(name)) {
		redirectTo(w, r, canonical(name, true), http.StatusMovedPermanently)
		return
	}
	if h.redirect(w, r, name, false) {
		return
	}
	switch {
	case h.script != nil:
		h.headers(w, r)
		h.script.ServeHTTP(w, r)
	case h.site.IndexFallback && isPage(name, r.Header.Get("Accept")) && h.has("index.html"):
		h.serve(w, r, "index.html", http.StatusOK)
	default:
		h.missing(w, r, name)
	}
}

// file gives the file that a path stands for.
func (h *Handler) file(name string, dir bool) (string, bool) {
	candidates := []string{name, name + ".html"}
	if dir {
		candidates = []string{path.Join(name, "index.html"), name + ".html"}
	}
	for _, c := range candidates {
		if c != "" && c != ".html" && h.has(c) {
			return c, true
		}
	}
	return "", false
}

// has tells whether there is such a file to be served.
func (h *Handler) has(name string) bool {
	if _, listed := h.site.Files[name]; listed {
		return true
	}
	if !h.site.Live || name == "" || h.isScript(name) || hidden(name) || h.site.isHidden(name) {
		return false
	}
	info, err := h.root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (h *Handler) isScript(name string) bool {
	return h.site.FastCGI != nil && strings.HasSuffix(name, h.site.FastCGI.Suffix)
}

// missing answers that there is nothing.
func (h *Handler) missing(w http.ResponseWriter, r *http.Request, name string) {
	if h.has("404.html") && isPage(name, r.Header.Get("Accept")) && !hidden(name) {
		h.serve(w, r, "404.html", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, "not found", http.StatusNotFound)
}

// serve sends a file that there is.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, name string, status int) {
	file, listed := h.site.Files[name]
	coding := Coding{}
	from, at := h.root, name
	if listed && len(file.Encodings) > 0 {
		w.Header().Set("Vary", "Accept-Encoding")
		if r.Header.Get("Range") == "" {
			coding = choose(r.Header.Get("Accept-Encoding"), file.Encodings)
		}
	}
	tag := file.Tag
	size := file.Size
	if coding.Name != "" {
		from, at = h.variants, name+coding.Suffix
		tag += "-" + coding.Name
		size = file.Encodings[coding.Name]
	}
	f, info, err := open(from, at)
	if err != nil {
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	defer f.Close()
	if !listed {
		file.Type, size = MediaType(name), info.Size()
		tag = strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(size, 36)
	}
	head := w.Header()
	head.Set("Content-Type", file.Type)
	head.Set("Cache-Control", "no-cache")
	if file.Immutable && status == http.StatusOK {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if coding.Name != "" {
		head.Set("Content-Encoding", coding.Name)
		head.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	h.headers(w, r)
	if status == http.StatusOK {
		head.Set("ETag", `"`+tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, f)
		return
	}
	head.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.CopyN(w, f, size)
	}
}

func open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// headers applies the site's own headers.
func (h *Handler) headers(w http.ResponseWriter, r *http.Request) {
	for _, rule := range h.site.Headers {
		if _, ok := match(rule.Path, r.URL.Path); !ok {
			continue
		}
		if rule.Value == "" {
			w.Header().Del(rule.Name)
		} else {
			w.Header().Set(rule.Name, rule.Value)
		}
	}
}

// redirect applies the first redirect rule for a path and tells whether there was one.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, name string, forced bool) bool {
	for _, rule := range h.site.Redirects {
		if rule.Force != forced {
			continue
		}
		found, ok := match(rule.From, "/"+name)
		if !ok {
			continue
		}
		if rule.Status != http.StatusOK && rule.Status != http.StatusNotFound {
			to := expand(rule.To, found)
			if strings.HasPrefix(rule.To, "/") {
				to = "/" + strings.TrimLeft(to, "/") // "//host" would lead to another site
			}
			h.headers(w, r)
			redirectTo(w, r, to, rule.Status)
			return true
		}
		target, _ := clean(expand(rule.To, found))
		if file, there := h.file(target, target == ""); there && !hidden(file) {
			h.serve(w, r, file, rule.Status)
			return true
		}
	}
	return false
}

func redirectTo(w http.ResponseWriter, r *http.Request, to string, status int) {
	u, err := url.Parse(to)
	if strings.HasPrefix(to, "/") {
		u, err = &url.URL{Path: to}, nil
	}
	if err != nil {
		http.Error(w, "the redirect leads nowhere", http.StatusInternalServerError)
		return
	}
	if u.RawQuery == "" {
		u.RawQuery = r.URL.RawQuery
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.Redirect(w, r, u.String(), status)
}

// clean gives a request's path without slashes at its ends, and whether it stands for a directory.
func clean(p string) (name string, dir bool) {
	dir = p == "" || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
	return strings.TrimPrefix(path.Clean("/"+p), "/"), dir
}

// canonical gives the path that clean read.
func canonical(name string, dir bool) string {
	if name == "" || !dir {
		return "/" + name
	}
	return "/" + name + "/"
}

// hidden tells whether a path is never served: a part of it begins with a dot, or no file can have that name.
func hidden(name string) bool {
	if strings.ContainsAny(name, "\x00\\") {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}

// isPage tells whether a path is one of a page rather than of a file that a page asks for: it has no suffix, or an
// unknown one and the browser wants to show it.
func isPage(name, accept string) bool {
	ext := path.Ext(name)
	if ext == "" || ext == ".html" || ext == ".htm" {
		return true
	}
	return MediaType(name) == typeBinary && ext != ".bin" && quality(accept, "text/html") > 0 &&
		strings.Contains(accept, "text/html")
}
