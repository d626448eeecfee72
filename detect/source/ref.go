package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// RefKind is what kind of place a reference names.
type RefKind int

// The kinds of references.
const (
	Local     RefKind = iota // a path; whether of a directory or a file is not known yet
	Directory                // a directory as it is
	Archive                  // a file with an archive
	Stdin                    // an archive on standard input
	Git                      // a git repository
	URL                      // an http(s) URL that may be an archive or a git repository
)

// Ref is a parsed source reference.
type Ref struct {
	Kind RefKind
	// Location is the path or URL, without fragment. It may hold credentials: print Ref.String instead.
	Location string
	// Revision is the branch, tag or commit; empty means the repository's HEAD.
	Revision string
	// Subdir is the directory inside the source that is built, clean and with slashes; empty means its top.
	Subdir string
	// SHA256 is the checksum in hex that the archive must have; empty means any.
	SHA256 string
	// Commit is what the revision must be, as the beginning of its hash; empty means any.
	Commit string
	// KeepGit keeps the repository in the directory .git, and NoSubmodules leaves submodules empty.
	KeepGit, NoSubmodules bool
}

var (
	// As git has it: a host before the first colon, no slash in it. A user is required, because "host:path" could as
	// well be a file.
	scpForm    = regexp.MustCompile(`^[A-Za-z0-9._~-]+@(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[^\x00-\x1f]+$`)
	hexSHA256  = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	schemeForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)
)

// ParseRef reads a source reference as described in the package documentation. It looks at nothing but the string.
func ParseRef(s string) (Ref, error) {
	r, err := parseRef(s)
	if err != nil {
		return Ref{}, fmt.Errorf("reading the source reference %s: %w", quote(Redact(s)), err)
	}
	return r, nil
}

func parseRef(s string) (Ref, error) {
	if strings.ContainsFunc(s, isControl) {
		return Ref{}, errors.New("it holds a control character")
	}
	location, fragment, _ := strings.Cut(s, "#")
	scheme := ""
	if m := schemeForm.FindStringSubmatch(s); m != nil {
		scheme = strings.ToLower(m[1])
	}
	switch {
	case s == "":
		return Ref{Kind: Local, Location: "."}, nil
	case location == "-":
		return Ref{Kind: Stdin}.withFragment(fragment)
	case strings.HasPrefix(scheme, "git+"):
		return gitRef(location[len("git+"):], fragment)
	case scheme == "ssh" || scheme == "git" || scheme == "file":
		return gitRef(location, fragment)
	case scheme == "s3" || scheme == "gs":
		return bucketRef(location, fragment)
	case scheme == "http" || scheme == "https":
		return urlRef(location, fragment)
	case scheme != "":
		return Ref{}, fmt.Errorf("the scheme %q is none of https, http, ssh, git, file, s3, gs", scheme)
	case strings.HasPrefix(location, "github.com/"): // as docker has it; a directory of that name is ./github.com
		return gitRef("https://"+location, fragment)
	case scpForm.MatchString(location):
		return Ref{Kind: Git, Location: location}.withFragment(fragment)
	}
	return Ref{Kind: Local, Location: s}, nil // a path may hold "#"; resolveLocal sees
}

func gitRef(location, fragment string) (Ref, error) {
	u, err := url.Parse(location)
	if err != nil {
		return Ref{}, errors.New("it is no valid URL")
	}
	switch u.Scheme {
	case "https", "http", "ssh", "git":
		if u.Hostname() == "" {
			return Ref{}, errors.New("it names no host")
		}
	case "file":
		if u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
			return Ref{}, errors.New("a file URL needs an absolute path, as in file:///srv/app.git")
		}
	default:
		return Ref{}, fmt.Errorf("git over %q is not supported; use https or ssh", u.Scheme)
	}
	r, err := Ref{Kind: Git, Location: location}.withFragment(fragment)
	if err != nil {
		return r, err
	}
	return r.withQuery(u)
}

// urlRef decides between a repository and an archive by what the URL looks like; openURL asks the server when that
// leaves it open.
func urlRef(location, fragment string) (Ref, error) {
	u, err := url.Parse(location)
	if err != nil || u.Hostname() == "" {
		return Ref{}, errors.New("it is no valid URL")
	}
	r := Ref{Kind: URL, Location: location}
	switch {
	case archiveName(u.Path) || strings.HasPrefix(fragment, "sha256="):
		r.Kind = Archive
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), ".git"):
		return gitRef(location, fragment)
	case u.RawQuery != "":
		r.Kind = Archive
	}
	return r.withFragment(fragment)
}

func archiveName(path string) bool {
	for _, suffix := range []string{".zip", ".tar", ".tgz", ".txz", ".tzst", ".tar.gz", ".tar.xz", ".tar.zst",
		".tar.bz2", ".tbz2", ".tbz", ".jar", ".war"} {
		if strings.HasSuffix(strings.ToLower(path), suffix) {
			return true
		}
	}
	return false
}

// withFragment takes in what follows "#": "[revision | sha256=hex][:subdir]".
func (r Ref) withFragment(fragment string) (Ref, error) {
	revision, subdir, _ := strings.Cut(fragment, ":")
	if sum, ok := strings.CutPrefix(revision, "sha256="); ok && r.Kind != Git {
		if !hexSHA256.MatchString(sum) {
			return Ref{}, errors.New("a sha256 checksum has 64 hexadecimal digits")
		}
		r.SHA256, revision = strings.ToLower(sum), ""
	}
	if revision != "" && (r.Kind == Archive || r.Kind == Stdin) {
		return Ref{}, fmt.Errorf("an archive has no branch or commit %q; write #sha256=… or #:subdir", revision)
	}
	if strings.HasPrefix(revision, "-") || strings.ContainsAny(revision, " ~^?*[\\") {
		return Ref{}, fmt.Errorf("%q is no branch, tag or commit", revision)
	}
	r.Revision = revision
	if subdir = strings.Trim(subdir, "/"); subdir != "" {
		if !filepath.IsLocal(subdir) {
			return Ref{}, fmt.Errorf("the directory %q leads out of the source", subdir)
		}
		if r.Subdir = filepath.Clean(subdir); r.Subdir == "." {
			r.Subdir = ""
		}
	}
	return r, nil
}

// resolveLocal finds out what a path names.
func resolveLocal(r Ref) (Ref, error) {
	info, err := os.Stat(r.Location)
	var fragment string
	var hasFragment bool
	if errors.Is(err, fs.ErrNotExist) {
		var path string
		if path, fragment, hasFragment = strings.Cut(r.Location, "#"); hasFragment {
			r.Location = path
			info, err = os.Stat(path)
		}
	}
	if err != nil {
		return Ref{}, fmt.Errorf("opening the source %q: %w", r.Location, pathCause(err))
	}
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return Ref{}, fmt.Errorf("opening the source %q: it is neither a directory nor a file", r.Location)
	case !info.IsDir():
		r.Kind = Archive
	case fragment == "" || fragment[0] == ':':
		r.Kind = Directory
	default:
		r.Kind = Git
	}
	if r, err = r.withFragment(fragment); err != nil {
		return Ref{}, fmt.Errorf("reading the source reference %q: %w", r.Location+"#"+fragment, err)
	}
	return r, nil
}

// pathCause drops operation and path from a file system error, for messages that name the path themselves.
func pathCause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// String gives the reference without credentials.
func (r Ref) String() string {
	s := Redact(r.Location)
	if r.Kind == Stdin {
		s = "-"
	}
	fragment := r.Revision
	if r.SHA256 != "" {
		fragment = "sha256=" + r.SHA256
	}
	if r.Subdir != "" {
		fragment += ":" + r.Subdir
	}
	if fragment != "" {
		s += "#" + fragment
	}
	return s
}

// Redact takes the user, password and query, any of which may be secret, out of a URL; the user of ssh stays. What
// is no URL is returned as it is.
func Redact(s string) string {
	m := schemeForm.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	rest := s[len(m[0]):]
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	// A password may hold an unescaped "/" or "#": then everything up to the last "@" goes.
	if i := strings.LastIndexByte(rest, '@'); i >= end {
		if strings.Contains(rest[:end], ":") && !hasPort(authority) {
			authority, tail = rest[i+1:], ""
		}
	} else if i >= 0 {
		user := authority[:i]
		authority = authority[i+1:]
		if strings.HasSuffix(strings.ToLower(m[1]), "ssh") && !strings.Contains(user, ":") {
			authority = user + "@" + authority
		}
	}
	var query, fragment string
	tail, fragment, _ = strings.Cut(tail, "#")
	if tail, query, _ = strings.Cut(tail, "?"); query != "" {
		tail += "?…"
	}
	if fragment != "" {
		tail += "#" + fragment
	}
	return m[0] + authority + tail
}

var portForm = regexp.MustCompile(`:[0-9]{1,5}$`)

func hasPort(authority string) bool { return portForm.MatchString(authority) }

func quote(s string) string { return strconv.Quote(s) }
