package staticserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/staticserver/server"
)

// maxFiles bounds the number of files of a site.
const maxFiles = 500_000

// file is one file to be served.
type file struct {
	size   int64
	digest [sha256.Size]byte
	// encodings are the compressed forms by content coding, with their sizes.
	encodings map[string]int64
}

// tag gives the entity tag: enough of the digest never to meet another.
func (f *file) tag() string { return base64.RawURLEncoding.EncodeToString(f.digest[:12]) }

// collect finds the files of the site and reads them once. Names that begin with a dot stay out, but for .well-known,
// and so do symlinks that lead out of the root.
func (b *builder) collect(ctx context.Context, root *os.Root) error {
	b.files, b.ready = map[string]*file{}, map[string]map[string]string{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.leftOut(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		if len(b.files) == maxFiles {
			return fmt.Errorf("the site has more than %d files", maxFiles)
		}
		return b.add(root, name, d)
	})
	if err != nil {
		return fmt.Errorf("reading the site in %s: %w", b.site.Root, err)
	}
	b.takeReady()
	if len(b.files) == 0 && b.site.FastCGI == nil {
		return fmt.Errorf("reading the site in %s: there are no files in it", b.site.Root)
	}
	return nil
}

func (b *builder) leftOut(name string, d fs.DirEntry) bool {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(base, ".") && base != ".well-known":
		return true
	case slices.Contains(b.site.Hidden, name):
		return true
	case b.site.FastCGI != nil && strings.HasSuffix(name, b.site.FastCGI.Suffix):
		return true
	case b.site.Root == "." && !strings.Contains(name, "/"):
		return isTooling(base)
	case strings.ContainsAny(name, "\x00\\"):
		return true
	}
	return d.IsDir() && base == "node_modules"
}

// isTooling tells whether a file at the top of an app is for who develops and deploys it.
func isTooling(base string) bool {
	switch base {
	case "Staticfile", "Procfile", "Dockerfile", "Makefile", "node_modules", "package.json", "package-lock.json",
		"npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "tsconfig.json", "netlify.toml",
		"vercel.json", "s2i.lock", "s2i.toml", "composer.json", "composer.lock", "vendor", "Vagrantfile", "want.json":
		return true
	}
	return strings.HasPrefix(base, "docker-compose.") || strings.HasPrefix(base, "compose.y")
}

// add reads one file.
func (b *builder) add(root *os.Root, name string, d fs.DirEntry) error {
	f, err := root.Open(name)
	if err != nil {
		if d.Type()&fs.ModeSymlink != 0 {
			kit.Say(b.bc.Logger, "warning: %s is left out: it is a symlink to nothing in the site", name)
			return nil
		}
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	switch name {
	case "_headers", "_redirects":
		if b.site.FastCGI == nil {
			return b.readRules(name, f)
		}
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	one := &file{size: n}
	h.Sum(one.digest[:0])
	b.files[name] = one
	return nil
}

// readRules reads _headers or _redirects.
func (b *builder) readRules(name string, f io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(f, maxRules+1))
	if err != nil {
		return err
	}
	if len(data) > maxRules {
		return fmt.Errorf("%s has more than %d bytes", name, maxRules)
	}
	if name == "_headers" {
		b.rules.Headers, err = parseHeaders(data)
	} else {
		b.rules.Redirects, b.rules.indexFallback, err = parseRedirects(data)
	}
	return err
}

// takeReady makes files beside others, named as their compressed forms, just that.
func (b *builder) takeReady() {
	for name, f := range b.files {
		for _, c := range server.Codings() {
			of, is := strings.CutSuffix(name, c.Suffix)
			if !is || b.files[of] == nil || !server.Compressible(server.MediaType(of)) {
				continue
			}
			if b.ready[of] == nil {
				b.ready[of] = map[string]string{}
			}
			b.ready[of][c.Suffix] = hex.EncodeToString(f.digest[:])
		}
	}
	for of, forms := range b.ready {
		for suffix := range forms {
			delete(b.files, of+suffix)
		}
	}
}

var (
	// hashedName finds what bundlers put between name and suffix: index-BZx81a_c.js, main.4f3a9c1b.css.
	hashedName = regexp.MustCompile(`[.-]([A-Za-z0-9_]{8,64})(\.chunk|\.min|\.module)?\.(m?js|css|map|woff2?|ttf|wasm|png|jpe?g|gif|svg|webp|avif|ico)$`)
	hexDigits  = regexp.MustCompile(`^[0-9a-f]+$`)
)

// immutable tells whether a file's name changes with its content: it is in a directory of such files, or its name has
// a digest in it that no word can be.
func immutable(name string, dirs []string) bool {
	if slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name, strings.Trim(dir, "/")+"/") }) {
		return true
	}
	match := hashedName.FindStringSubmatch(path.Base(name))
	if match == nil {
		return false
	}
	digit := strings.ContainsAny(match[1], "0123456789")
	lower := strings.ContainsAny(match[1], "abcdefghijklmnopqrstuvwxyz")
	upper := strings.ContainsAny(match[1], "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return digit && lower && (hexDigits.MatchString(match[1]) || upper && len(match[1]) == 8)
}

// errTooFewBytes is for a file that changed while it was read.
var errTooFewBytes = errors.New("the file changed while it was read")
