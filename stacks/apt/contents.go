package apt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle/store"
	"s2i/stacks/deb"
)

// maxContents bounds an unpacked Contents file; trixie's has 170 MB.
const maxContents = 2 << 30

// recordLibraries is the kind of the records that keep which packages own libraries, by the digest of the Contents file.
const recordLibraries = "contents-libraries"

// Libraries says which packages have a shared library of a name, sorted: {"libpq.so.5": ["libpq5"]}.
type Libraries map[string][]string

// Triplet is the name of an architecture in the directories of its libraries.
func Triplet(arch string) string {
	switch arch {
	case "amd64":
		return "x86_64-linux-gnu"
	case "arm64":
		return "aarch64-linux-gnu"
	case "armhf":
		return "arm-linux-gnueabihf"
	case "i386":
		return "i386-linux-gnu"
	case "ppc64el":
		return "powerpc64le-linux-gnu"
	}
	return arch + "-linux-gnu"
}

// Libraries reads which packages of suites own the shared libraries in the directories where the dynamic linker looks,
// from the suites' Contents files (the signed Release vouches for them). Every one of these files is read once; what
// counts of it is kept in the store.
func (a *Archive) Libraries(ctx context.Context, suites []Suite, arch string) (Libraries, error) {
	all := Libraries{}
	for _, s := range suites {
		release, err := a.release(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, component := range s.Components {
			found, err := a.libraries(ctx, s, release, component+"/Contents-"+arch+".gz", arch)
			if err != nil {
				return nil, fmt.Errorf("reading which packages of %s have libraries: %w", s.Name, err)
			}
			all.merge(found)
		}
	}
	return all, nil
}

func (l Libraries) merge(other Libraries) {
	for name, packages := range other {
		both := slices.Concat(l[name], packages)
		slices.Sort(both)
		l[name] = slices.Compact(both)
	}
}

// libraries reads one Contents file. Suites with few packages have none, or an empty one.
func (a *Archive) libraries(ctx context.Context, s Suite, r *Release, name, arch string) (Libraries, error) {
	const emptyGzip = 64
	sum, ok := r.Files[name]
	if !ok || sum.Size < emptyGzip {
		return nil, nil
	}
	key := "1 " + sum.SHA256 // change the number with what is kept
	var kept Libraries
	err := a.Store.Record(recordLibraries, key, &kept)
	if err == nil {
		return kept, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	file, err := a.Get(ctx, indexFile(s, r, name, sum, "contents of "+s.Name))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x, err := deb.Decompress(f, path.Ext(name))
	if err != nil {
		return nil, err
	}
	defer x.Close()
	if kept, err = parseContents(io.LimitReader(x, maxContents), arch); err != nil {
		return nil, err
	}
	return kept, a.Store.SetRecord(recordLibraries, key, kept)
}

// indexFile says where a file is that a release vouches for.
func indexFile(s Suite, r *Release, name string, sum Sum, title string) File {
	dists := "dists/" + s.Name + "/"
	paths := []string{dists + name}
	if r.ByHash {
		paths = slices.Insert(paths, 0, dists+path.Dir(name)+"/by-hash/SHA256/"+sum.SHA256)
	}
	return File{Archive: s.Archive, Paths: paths, SHA256: sum.SHA256, Size: sum.Size, Title: title}
}

// parseContents picks the shared libraries out of a Contents file: lines of a path, white space, and the packages that
// have it, as section/name, separated by commas. Lines that are not of this form are passed over.
func parseContents(r io.Reader, arch string) (Libraries, error) {
	found := Libraries{}
	dirs := LibraryDirs(arch)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		b := lines.Bytes()
		if len(b) == 0 || b[0] != 'u' && b[0] != 'l' { // usr/lib, lib: most lines are others
			continue
		}
		line := string(b)
		at := strings.LastIndexAny(line, " \t")
		if at < 0 {
			continue
		}
		dir, name := path.Split(strings.TrimRight(line[:at], " \t"))
		if !slices.Contains(dirs, strings.TrimSuffix(strings.TrimPrefix(dir, "usr/"), "/")) || !isLibrary(name) {
			continue
		}
		for owner := range strings.SplitSeq(line[at+1:], ",") {
			if owner = path.Base(owner); deb.ValidName(owner) {
				found.merge(Libraries{name: {owner}})
			}
		}
	}
	return found, lines.Err()
}

// LibraryDirs are the directories in which the dynamic linker of Debian looks of its own, best first, below / or /usr.
func LibraryDirs(arch string) []string { return []string{"lib/" + Triplet(arch), "lib", "lib64"} }

func isLibrary(name string) bool {
	return strings.HasSuffix(name, ".so") || strings.Contains(name, ".so.")
}
