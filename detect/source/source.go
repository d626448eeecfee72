// Package source opens the place where an app's source code is and gives it as a Tree: the files that count, a digest
// of their content, and a normalised copy to build in.
//
// A source is named as in
//
//	s2i build .                                    a directory (the default)
//	s2i build ./app.tar.gz                         an archive: tar, tar.gz, tar.zst, tar.xz, tar.bz2 or zip
//	s2i build https://example.com/app.zip          an archive behind a URL
//	s2i build https://example.com/app.tgz#sha256=… the same, with the checksum that it must have
//	s2i build https://example.com/team/app.git     a git repository: https, ssh, git@host:path, file
//	s2i build https://example.com/team/app.git#v1.2:services/api    branch, tag or commit, and a directory in it
//	s2i build ./repo#v1.2                          a commit of a repository on this machine, not its working tree
//	s2i build 's3://bucket/app.tgz'                an archive in S3 or Google Cloud Storage (gs://)
//	s2i build -                                    any of the archives, on standard input
//
// # What belongs to the tree
//
// Everything in the directory, except what is named ".git" at any depth, sockets, and what is ignored:
//
//   - .s2iignore, or .dockerignore when there is no .s2iignore, in the directory that is built. Both have the syntax
//     of .dockerignore: one pattern per line, relative to the top; "*" and "?" stop at a slash, "**" does not; a
//     pattern that matches a directory matches what is below it; "!" takes something back; the last matching line
//     wins; "#" starts a comment. The file itself stays, unless it ignores itself. A .dockerignore that leaves nothing
//     but what is in target or build is for a Dockerfile that packs the output of a build, and does not count.
//   - include or exclude of [io.buildpacks] in project.toml, in the syntax of .gitignore, as that file's
//     specification says: a pattern without a slash matches at any depth. Unlike in git, "!" may take back what is
//     below an excluded directory.
//   - Options.Ignore, in the syntax of .s2iignore.
//
// What cannot be put into an image faithfully is refused, with a *RefusedError that names the paths: symbolic links
// that leave the tree, devices, named pipes, file names that are not UTF-8 or hold control characters, names that
// image layers reserve (".wh."). Ignoring a path is always a way out.
//
// # Archives
//
// An archive with exactly one directory at its top and nothing else is taken from within that directory, because that
// is how source hosts make them. The ":subdir" part of a reference is looked for below that directory, then at the
// archive's own top.
//
// # What the digest depends on
//
// Paths, kinds, whether a file is executable, contents, and targets of links. Not on times, owners, umask, place, or
// whether the source came as a directory, an archive or a commit.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
)

// Records remembers small things between builds under a kind and a key. *store.Store is one.
type Records interface {
	Record(kind, key string, v any) error
	SetRecord(kind, key string, v any) error
}

// Options says how to open a source. The zero value works.
type Options struct {
	// TempDir is where archives and repositories are unpacked; empty means the system's. Tree.Close removes what Open
	// put there.
	TempDir string
	// Descriptor is the path of a project descriptor to use instead of the tree's project.toml.
	Descriptor string
	// Ignore holds further patterns of what to leave out, in the syntax of .s2iignore.
	Ignore []string
	// Raw gives the files as they are in Tree.Dir, for builds from Dockerfiles: nothing is ignored or refused, there are
	// no Entries and no Descriptor, and an archive's only directory is not its top.
	Raw bool
	// Lone is what a download or standard input is called that is no archive but text: it becomes the only file. Empty:
	// that is an error.
	Lone string
	// KeepGit keeps the repository of a source from git in the directory .git.
	KeepGit bool
	// Records remembers the digests of unchanged trees; nil means that every digest is computed from content.
	Records Records
	// Stdin is read for the source "-"; nil means os.Stdin.
	Stdin io.Reader
	// Client fetches from URLs; nil means one that honours the proxy variables.
	Client *http.Client
	// Getenv looks up the environment, for credentials; nil means os.Getenv.
	Getenv func(string) string
	// NoHelpers says that git's credential helpers are not asked.
	NoHelpers bool
	// Limits bounds what an archive or a repository may unpack to; zero fields mean those of DefaultLimits.
	Limits archive.Limits
	// Jobs is how many files are read at once; 0 means the number of processors.
	Jobs int
}

// DefaultLimits bounds unpacked sources: far above real ones, below what fills a disk before anybody notices.
func DefaultLimits() archive.Limits {
	return archive.Limits{Entries: 2_000_000, Bytes: 16 << 30, FileBytes: 8 << 30}
}

func (o Options) withDefaults() Options {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	d := DefaultLimits()
	for _, l := range [][2]*int64{
		{&o.Limits.Entries, &d.Entries}, {&o.Limits.Bytes, &d.Bytes}, {&o.Limits.FileBytes, &d.FileBytes},
	} {
		if *l[0] <= 0 {
			*l[0] = *l[1]
		}
	}
	return o
}

// Open opens the source that ref names; an empty ref is the current directory. The caller closes the Tree.
func Open(ctx context.Context, ref string, o Options) (*Tree, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if r.Kind == Local {
		if r, err = resolveLocal(r); err != nil {
			return nil, err
		}
	}
	switch r.Kind {
	case Directory:
		return openDirectory(ctx, r, o)
	case Git:
		return openGit(ctx, r, o)
	case URL:
		return openURL(ctx, r, o)
	default:
		return openArchive(ctx, r, o)
	}
}

func openDirectory(ctx context.Context, r Ref, o Options) (*Tree, error) {
	dir, err := filepath.Abs(r.Location)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the source directory %q: %w", r.Location, err)
	}
	if dir == "/" {
		return nil, errors.New("opening the source directory \"/\": it is the whole machine; name the app's own directory")
	}
	t := &Tree{opts: o}
	if err := t.load(ctx, dir, r.Subdir); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// scratch makes the tree's own directory, in which a fetched source is unpacked.
func (t *Tree) scratch() (string, error) {
	dir, err := os.MkdirTemp(t.opts.TempDir, "source-")
	if err != nil {
		return "", fmt.Errorf("making a temporary directory for the source: %w", err)
	}
	t.temp = dir
	return dir, nil
}

// load reads what there is to know about dir (below it, subdir) except contents.
func (t *Tree) load(ctx context.Context, dir, subdir string) error {
	top, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the source directory %q: %w", dir, err)
	}
	defer top.Close()
	t.Dir = filepath.Join(dir, subdir)
	if subdir == "" {
		subdir = "."
	}
	// OpenRoot follows links inside the top only, so a subdirectory that is a link out of it is an error here.
	if t.root, err = top.OpenRoot(subdir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("opening the directory %q of the source: there is no such directory in it", subdir)
		}
		return fmt.Errorf("opening the directory %q of the source: %w", subdir, err)
	}
	if t.opts.Raw {
		return nil
	}
	if t.Descriptor, err = readDescriptor(t.root, t.opts.Descriptor); err != nil {
		return err
	}
	rules, err := readRules(t.root, t.Descriptor, t.opts.Ignore)
	if err != nil {
		return err
	}
	return t.walk(ctx, rules)
}

// Project describes the origin of a fetched source. A directory has none: its place, and the state of a repository
// around it, must not make two images of the same files differ.
func project(kind string, version, metadata map[string]any) lifecycle.ProjectMetadata {
	return lifecycle.ProjectMetadata{
		Source: &lifecycle.ProjectSource{Type: kind, Version: version, Metadata: metadata},
	}
}
