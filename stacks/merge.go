package stacks

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"s2i/stacks/deb"
)

// debSource writes the layer of a part that consists of Debian packages.
func (s *Stack) debSource(part Part) func(ctx context.Context, w io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		paths, err := s.getDebs(ctx, part.Debs)
		if err != nil {
			return err
		}
		m := &merger{stack: s, t: newTree(w), base: part.Set != "", drop: s.Config.Packages[part.Package].Drop,
			take: s.Config.Packages[part.Package].Take}
		if m.base {
			image, name, _ := strings.Cut(part.Set, "/")
			if m.set, err = s.Config.set(image, name); err != nil {
				return err
			}
			m.drop = m.set.Drop
			if err := m.skeleton(image); err != nil {
				return err
			}
		}
		if err := m.merge(ctx, paths); err != nil {
			return fmt.Errorf("composing %s: %w", part.Name, err)
		}
		if err := m.withBase(ctx, part.With); err != nil {
			return fmt.Errorf("composing %s: %w", part.Name, err)
		}
		if err := m.finish(); err != nil {
			return fmt.Errorf("composing %s: %w", part.Name, err)
		}
		return m.t.close()
	}
}

// merger merges Debian packages into one layer.
type merger struct {
	stack *Stack
	t     *tree
	set   *Set // of a base
	base  bool
	drop  []string            // patterns of paths that stay out
	take  map[string][]string // patterns of paths to add from packages of the base
	certs map[string][]byte   // certificates of ca-certificates, by path
}

// withBase writes what is made of packages of the base: Java's keystore, and files that the base left out.
func (m *merger) withBase(ctx context.Context, debs []Deb) error {
	paths, err := m.stack.getDebs(ctx, debs)
	if err != nil {
		return err
	}
	for i, d := range debs {
		if d.Name == caPackage {
			if err := m.javaKeystore(paths[i]); err != nil {
				return err
			}
		}
		if patterns := m.take[d.Name]; len(patterns) > 0 {
			if err := m.takeFiles(paths[i], patterns); err != nil {
				return fmt.Errorf("taking files of %s: %w", d.Name, err)
			}
		}
	}
	return nil
}

// takeFiles adds the files of a package that match a pattern.
func (m *merger) takeFiles(file string, patterns []string) error {
	p, f, err := openDeb(file)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := p.Files()
	if err != nil {
		return err
	}
	defer data.Close()
	for tr := tar.NewReader(data); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := deb.CleanName(h.Name)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg && matchAny(patterns, usrMerged(name)) {
			if err := m.entry(h, tr, p); err != nil {
				return err
			}
		}
	}
}

// maxCert bounds one certificate file.
const maxCert = 1 << 20

// merge adds the files of packages, in order. Packages are unpacked ahead, in parallel.
func (m *merger) merge(ctx context.Context, paths []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for opened := range unpackAhead(ctx, paths) {
		if err := m.add(opened); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// add adds one package.
func (m *merger) add(o *unpacked) error {
	defer o.close()
	if o.err != nil {
		return o.err
	}
	p := o.pkg
	tr := tar.NewReader(o.data)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("unpacking Debian package %s: %w", p.Name, err)
		}
		if err := m.entry(h, tr, p); err != nil {
			return err
		}
	}
	status := "var/lib/dpkg/status.d/" + p.Name
	if err := m.t.write(status, p.Control, p.Name); err != nil {
		return err
	}
	if p.MD5Sums != nil {
		if err := m.t.write(status+".md5sums", p.MD5Sums, p.Name); err != nil {
			return err
		}
	}
	if isJava(p.Name) {
		return m.javaHome(p.Name)
	}
	return m.alternatives(p.Name)
}

// entry adds one entry of a package.
func (m *merger) entry(h *tar.Header, r io.Reader, p *deb.Package) error {
	name, err := deb.CleanName(h.Name)
	if err != nil {
		return fmt.Errorf("unpacking Debian package %s: %w", p.Name, err)
	}
	if name == "." || h.Typeflag == tar.TypeDir && slices.Contains(merged, name) {
		return nil // older packages have /bin and the like as directories, which are links
	}
	name = usrMerged(name)
	if p.Name == caPackage && strings.HasPrefix(name, certsDir) {
		return m.certificate(h, name, r)
	}
	if dropped(name, h.Typeflag) || matchAny(m.drop, name) || m.replaced(name) {
		return nil
	}
	if h.Typeflag == tar.TypeReg {
		if done, err := m.phpFile(name, r, p.Name); done {
			return err
		}
	}
	n := &tar.Header{Name: name, Typeflag: h.Typeflag, Mode: h.Mode, Size: h.Size, Uid: h.Uid, Gid: h.Gid,
		Linkname: h.Linkname}
	switch h.Typeflag {
	case tar.TypeDir:
		if old, ok := m.t.seen[name]; ok && old.from == generated {
			return nil // for example /var/run, which we make a link
		}
		return m.t.dir(n, p.Name)
	case tar.TypeLink:
		target, err := deb.CleanName(h.Linkname)
		if err != nil {
			return fmt.Errorf("unpacking Debian package %s: %w", p.Name, err)
		}
		n.Linkname = usrMerged(target)
	}
	if old, ok := m.t.seen[name]; ok && old.from == generated {
		return nil
	}
	return m.t.file(n, r, p.Name)
}

// certificate keeps a certificate for the bundle.
func (m *merger) certificate(h *tar.Header, name string, r io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(r, maxCert+1))
	if err != nil || len(b) > maxCert {
		return fmt.Errorf("reading certificate %s: it is too large or cut off: %w", name, err)
	}
	if m.certs == nil {
		m.certs = map[string][]byte{}
	}
	m.certs[name] = b
	return nil
}

// replaced tells whether a path of a base is written by us.
func (m *merger) replaced(name string) bool { return m.base && name == "usr/lib/os-release" }

// dropped tells which paths stay out of every layer: documentation but licences, messages in other languages, and what
// only a whole operating system uses.
func dropped(name string, kind byte) bool {
	switch {
	case strings.HasPrefix(name, "usr/share/doc/"):
		// A package's directory may be a link to the one that has its copyright.
		return kind != tar.TypeDir && path.Base(name) != "copyright" &&
			(kind != tar.TypeSymlink || strings.Count(name, "/") != 3)
	case strings.HasPrefix(name, "usr/lib/locale/"):
		return name != "usr/lib/locale/C.utf8" && !strings.HasPrefix(name, "usr/lib/locale/C.utf8/")
	}
	for _, dir := range []string{"usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/bug",
		"usr/share/locale", "usr/share/doc-base", "usr/share/groff", "etc/init.d", "etc/cron.d", "etc/cron.daily",
		"usr/lib/systemd", "usr/share/bash-completion", "usr/share/zsh"} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// matchAny tells whether a path matches a pattern: "*" within one element, and "/**" at the end for everything below.
func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		dir, below := strings.CutSuffix(p, "/**")
		parts := strings.Split(name, "/")
		n := strings.Count(dir, "/") + 1
		if len(parts) < n || !below && len(parts) != n || below && len(parts) == n {
			continue
		}
		if ok, err := path.Match(dir, strings.Join(parts[:n], "/")); err == nil && ok {
			return true
		}
	}
	return false
}

// openDeb opens a downloaded package.
func openDeb(file string) (*deb.Package, *os.File, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a Debian package: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("opening a Debian package: %w", err)
	}
	p, err := deb.Read(f, info.Size())
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("reading a Debian package: %w", err)
	}
	return p, f, nil
}
