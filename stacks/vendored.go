package stacks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/stacks/mirrors"
)

// Vendor copies every file that the lock names for the given architectures (all, when there are none) to dir, downloading
// what the store does not have. dir is then a tree of mirrors for a machine without a network:
// S2I_MIRRORS=file:///dir. Files that are there already, in full, are kept.
func (s *Stack) Vendor(ctx context.Context, dir string, arches ...string) error {
	if len(arches) == 0 {
		arches = sortedKeys(s.Lock.Arches)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory to vendor to: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the directory to vendor to: %w", err)
	}
	defer root.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.jobs())
	archive, err := s.archive(ctx)
	if err != nil {
		return err
	}
	for _, arch := range arches {
		a, err := s.arch(arch)
		if err != nil {
			return err
		}
		for _, d := range a.Debs {
			to := filepath.Join(debDir(d.Archive), filepath.FromSlash(d.Path))
			g.Go(func() error {
				return vendorFile(ctx, root, to, func() (string, error) { return s.getDeb(ctx, archive, d) })
			})
		}
	}
	for name, tools := range s.Lock.Tools {
		for _, t := range tools {
			for _, f := range s.vendoredTools(t, arches) {
				provider := s.Config.Packages[name].Provider
				to := filepath.FromSlash(toolPath(provider, f))
				g.Go(func() error {
					return vendorFile(ctx, root, to, func() (string, error) { return s.getTool(ctx, name, provider, f) })
				})
			}
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("vendoring stack %s: %w", s.Config.Name, err)
	}
	progress.Note(ctx, "use it with S2I_MIRRORS=file://%s", dir)
	return nil
}

func debDir(archive string) string {
	if archive == "debian-security" {
		return mirrors.Dir(mirrors.DebSecurity)
	}
	return mirrors.Dir(mirrors.Deb)
}

func (s *Stack) vendoredTools(t Tool, arches []string) []ToolFile {
	var list []ToolFile
	seen := map[string]bool{}
	for _, arch := range arches {
		if f, ok := fileFor(t.Files, arch); ok && !seen[f.Integrity] {
			seen[f.Integrity] = true
			list = append(list, f)
		}
	}
	return list
}

// toolPath is where a mirror of the provider's protocol has a file.
func toolPath(provider string, f ToolFile) string {
	if provider == providerGoProxy {
		m := module.Version{Path: f.Name, Version: f.Version}
		return mirrors.Dir(mirrors.GoProxy) + "/" + m.Path + "/@v/" + m.Version + ".zip"
	}
	switch provider {
	case providerPyPI:
		return mirrors.Dir(mirrors.PyPI) + "/" + f.Name + "/" + f.File
	case providerMaven:
		if a, err := artifact(f); err == nil {
			return mirrors.Dir(mirrors.Maven) + "/" + a.Path()
		}
	}
	_, base, ok := strings.Cut(f.Name, "/")
	if !ok {
		base = f.Name
	}
	return mirrors.Dir(mirrors.NPM) + "/" + f.Name + "/-/" + base + "-" + f.Version + ".tgz"
}

// vendorFile copies a file of the store below root, under a temporary name first.
func vendorFile(ctx context.Context, root *os.Root, to string, get func() (string, error)) error {
	from, err := get()
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Stat()
	if err != nil {
		return err
	}
	if have, err := root.Stat(to); err == nil && have.Size() == size.Size() {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	temp := to + ".part"
	out, err := root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), out.Sync(), out.Close()); err != nil {
		return err
	}
	return root.Rename(temp, to)
}
