package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// envKeep names more files that the image needs, when the framework's output is not all: "content data/*.json".
const envKeep = "S2I_NODE_KEEP"

// bringOutput brings to the app what the build made: all of it, or what the framework's output is.
func (b *builder) bringOutput(t *workTree) error {
	f := b.d.framework
	switch {
	case f == nil:
		return t.bringBack()
	case f.Site != nil && b.d.site() != nil:
		if err := b.findSite(t, f); err != nil {
			return err
		}
		return t.bringPieces([]piece{{f.siteRoot(), f.siteRoot()}})
	case f.Next != nil && f.Bundled:
		pieces, err := f.standalone(t)
		if err != nil {
			return err
		}
		b.d.starts[kit.DefaultType].Member = f.Member
		return t.bringPieces(append(pieces, b.extras(t)...))
	case len(f.Keep) > 0:
		pieces := b.extras(t)
		for _, name := range f.Keep {
			at := path.Join(f.Member.Dir, name)
			pieces = append(pieces, piece{at, at})
		}
		if !f.Bundled {
			for _, m := range b.d.project.dependencies(b.d.main, false) {
				if m != f.Member {
					pieces = append(pieces, piece{m.Dir, m.Dir})
				}
			}
		}
		return t.bringPieces(pieces)
	}
	return t.bringBack()
}

// extras gives what the user wants to keep.
func (b *builder) extras(t *workTree) []piece {
	var pieces []piece
	root := os.DirFS(t.dir)
	for _, pattern := range kit.Fields(b.env[envKeep]) {
		for _, dir := range []string{".", b.d.main.Dir} {
			names, err := fs.Glob(root, path.Join(dir, pattern))
			if err != nil {
				continue
			}
			for _, name := range names {
				pieces = append(pieces, piece{name, name})
			}
		}
	}
	return pieces
}

// findSite verifies that the static files are where the configuration says. When they are in one other place, which a
// configuration that has to be run can name, they are moved.
func (b *builder) findSite(t *workTree, f *framework) error {
	root := f.siteRoot()
	if hasIndex(filepath.Join(t.dir, filepath.FromSlash(root))) {
		return nil
	}
	found, err := madeSites(t, f.Member.Dir)
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] == "." {
		where := "no directory with an index.html was made"
		if len(found) > 1 {
			where = "there are " + strings.Join(found, ", ")
		}
		return fmt.Errorf("%s: the build made no %s/index.html: %s", f.Source, root, where)
	}
	kit.Say(b.bc.Logger, "the output is in %s and not in %s", found[0], root)
	to := filepath.Join(t.dir, filepath.FromSlash(root))
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("moving the output: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("moving the output: %w", err)
	}
	if err := os.Rename(filepath.Join(t.dir, filepath.FromSlash(found[0])), to); err != nil {
		return fmt.Errorf("moving the output: %w", err)
	}
	return nil
}

// maxSiteDepth bounds how deep below a package its output is looked for.
const maxSiteDepth = 4

// madeSites gives the topmost directories below dir in which the build made an index.html, sorted.
func madeSites(t *workTree, dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(filepath.Join(t.dir, filepath.FromSlash(dir)), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(t.dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.Name() == "node_modules" || strings.Count(rel, "/") > maxSiteDepth || buildCache(rel) {
			return fs.SkipDir
		}
		info, err := os.Lstat(filepath.Join(name, "index.html"))
		if err == nil && info.Mode().IsRegular() && changeTime(info).After(t.filled) {
			found = append(found, rel)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what was built: %w", err)
	}
	slices.Sort(found)
	return found, nil
}

func hasIndex(dir string) bool {
	for _, name := range []string{"index.html", "200.html", "index.csr.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// standalone gives the parts of Next's standalone output: the server with its packages, and the files for browsers,
// which Next leaves to a CDN. The server becomes the app, and its directory the member's.
func (f *framework) standalone(t *workTree) ([]piece, error) {
	dist := path.Join(f.Member.Dir, f.Next.Dist)
	out := path.Join(dist, "standalone")
	public := path.Join(f.Member.Dir, "public")
	server, err := findServer(t, out, f.Member.Dir)
	if err != nil {
		return nil, err
	}
	// The directory of the server below out is that of the member, unless the root that Next found is another one.
	if server != f.Member.Dir {
		f.Member = &member{Dir: server, data: f.Member.data, manifest: f.Member.manifest}
	}
	return []piece{
		{out, "."},
		{path.Join(dist, "static"), path.Join(server, f.Next.Dist, "static")},
		{public, path.Join(server, "public")},
	}, nil
}

// findServer finds the directory of server.js below out.
func findServer(t *workTree, out, dir string) (string, error) {
	for _, d := range []string{dir, "."} {
		if info, err := os.Stat(filepath.Join(t.dir, filepath.FromSlash(path.Join(out, d, "server.js")))); err == nil &&
			info.Mode().IsRegular() {
			return d, nil
		}
	}
	if _, err := os.Stat(filepath.Join(t.dir, filepath.FromSlash(out))); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the build of Next.js made no %s: is an output set that cannot be read from its configuration?"+
			" Name what starts the app in a start script", out)
	}
	return "", fmt.Errorf("the build of Next.js made no server.js for %s in %s: set outputFileTracingRoot to the root of"+
		" the workspaces", dir, out)
}

// onlySite leaves of an app without packages only the static files.
func (b *builder) onlySite() error {
	aside, err := os.MkdirTemp("", "site-")
	if err != nil {
		return fmt.Errorf("making room for what was built: %w", err)
	}
	defer os.RemoveAll(aside)
	t := &workTree{dir: aside, app: b.bc.ApplicationPath}
	if err := t.fill(); err != nil {
		return err
	}
	return t.bringPieces([]piece{{b.d.framework.siteRoot(), b.d.framework.siteRoot()}})
}
