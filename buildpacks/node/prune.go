package node

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// foreignName matches names of packages that hold machine code for one platform.
var foreignName = regexp.MustCompile(`musl|darwin|win32|windows|android|freebsd|openbsd|netbsd|sunos|openharmony`)

// prune removes packages for other platforms that were installed nevertheless: lock files without the field libc get
// both the packages for glibc and those for musl, and bundlers that trace files copy both.
func (b *builder) prune(dir string) error {
	var removed []string
	for _, m := range b.d.project.all() {
		home := filepath.Join(dir, filepath.FromSlash(m.Dir), "node_modules")
		for _, pattern := range []string{"*", "@*/*"} {
			found, err := filepath.Glob(filepath.Join(home, pattern))
			if err != nil {
				continue // a path with signs that mean something to Glob
			}
			for _, at := range found {
				if !foreignName.MatchString(filepath.Base(at)) || !foreign(at) {
					continue
				}
				if err := os.RemoveAll(at); err != nil {
					return fmt.Errorf("removing a package for another platform: %w", err)
				}
				removed = append(removed, strings.TrimPrefix(at, home+"/"))
			}
		}
	}
	if len(removed) > 0 {
		kit.Say(b.bc.Logger, "removed, being for other platforms: %s", strings.Join(removed, ", "))
	}
	return nil
}

// foreign tells whether the package in a directory says that it is not for Linux with glibc.
func foreign(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "package.json"))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxManifest {
		return false
	}
	data, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return false
	}
	m, err := parseManifest(data)
	if err != nil {
		return false
	}
	return otherLibc(m) || len(m.OS) > 0 && !fits(m.OS, "linux")
}

// fits tells whether a list such as ["linux", "!win32"] has value.
func fits(list []string, value string) bool {
	if slices.Contains(list, "!"+value) {
		return false
	}
	positive := slices.ContainsFunc(list, func(s string) bool { return !strings.HasPrefix(s, "!") })
	return slices.Contains(list, value) || slices.Contains(list, "any") || !positive
}
