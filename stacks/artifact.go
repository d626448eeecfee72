package stacks

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/module"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
	"s2i/stacks/goproxy"
	"s2i/stacks/npm"
)

func (s *Stack) jobs() int {
	if s.Jobs > 0 {
		return s.Jobs
	}
	return max(4, runtime.GOMAXPROCS(0))
}

// getDeb gives the path of a .deb in the store.
func (s *Stack) getDeb(ctx context.Context, archive *apt.Archive, d Deb) (string, error) {
	return archive.Get(ctx, apt.File{Archive: d.Archive, Paths: []string{d.Path}, SHA256: d.SHA256, Size: d.Size,
		Title: d.Name + " " + d.Version})
}

// getTool gives the path of a file of package pkg in the store.
func (s *Stack) getTool(ctx context.Context, pkg, provider string, f ToolFile) (string, error) {
	if provider == providerGoProxy && f.Integrity == "" {
		proxy, _, err := s.proxy(ctx)
		if err != nil {
			return "", err
		}
		if f, err = s.pinZip(ctx, proxy, f); err != nil {
			return "", err
		}
	}
	if f.Integrity == "" {
		return "", npm.ErrNotConfigured // chosen from the maker's site: see sitePublished
	}
	file, err := s.Store.Download(ctx, f.Integrity, func(ctx context.Context, w io.Writer, offset int64) error {
		if s.Offline {
			return fmt.Errorf("%w, and --offline forbids to download it", store.ErrNotFound)
		}
		return s.downloadTool(ctx, pkg, provider, f, &resumed{w, offset})
	})
	if err != nil {
		return "", fmt.Errorf("getting %s@%s: %w", f.Name, f.Version, err)
	}
	return file, nil
}

// resumed is where a download goes on.
type resumed struct {
	w      io.Writer
	offset int64
}

func (s *Stack) downloadTool(ctx context.Context, pkg, provider string, f ToolFile, to *resumed) error {
	w, offset := to.w, to.offset
	if provider == providerGoProxy {
		proxy, _, err := s.proxy(ctx)
		if err != nil {
			return err
		}
		ctx, task := progress.Start(ctx, f.Name+" "+f.Version, f.Size)
		task.Add(offset)
		err = proxy.Zip(ctx, module.Version{Path: f.Name, Version: f.Version}, w, offset, task.Add)
		task.End(err)
		return err
	}
	if provider == providerHTTPS {
		site, err := s.site(ctx, pkg)
		if err != nil {
			return err
		}
		ctx, task := progress.Start(ctx, f.Name, f.Size)
		task.Add(offset)
		err = site.Get(ctx, f.Version, f.Name, w, offset, task.Add)
		task.End(err)
		return err
	}
	reg, err := s.registryOf(ctx, provider)
	if err != nil {
		return err
	}
	return reg.get(ctx, f, w, offset)
}

// pinZip fills in the sha256 of a module's zip of which only the h1 digest is known, by downloading it, and leaves the
// zip in the store.
func (s *Stack) pinZip(ctx context.Context, proxy *goproxy.Client, f ToolFile) (ToolFile, error) {
	type pin struct {
		Integrity string
		Size      int64
	}
	var p pin
	if err := s.Store.Record("zip", f.H1, &p); err == nil {
		f.Integrity, f.Size = p.Integrity, p.Size
		return f, nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return f, err
	}
	if s.Offline {
		return f, fmt.Errorf("getting %s@%s: %w, and --offline forbids to download it", f.Name, f.Version, store.ErrNotFound)
	}
	dir, release, err := s.Store.TempDir("zip-")
	if err != nil {
		return f, err
	}
	defer release()
	file := filepath.Join(dir, "module.zip")
	sum := sha256.New()
	if p.Size, err = s.zipTo(ctx, proxy, f, file, sum); err != nil {
		return f, err
	}
	if err := goproxy.VerifyZip(file, f.H1); err != nil {
		return f, fmt.Errorf("verifying %s@%s: %w", f.Name, f.Version, err)
	}
	p.Integrity = "sha256-" + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	_, err = s.Store.Download(ctx, p.Integrity, func(_ context.Context, w io.Writer, offset int64) error {
		return copyFrom(w, file, offset)
	})
	if err != nil {
		return f, err
	}
	f.Integrity, f.Size = p.Integrity, p.Size
	return f, s.Store.SetRecord("zip", f.H1, p)
}

func (s *Stack) zipTo(ctx context.Context, proxy *goproxy.Client, f ToolFile, file string, sum hash.Hash) (int64, error) {
	out, err := os.Create(file)
	if err != nil {
		return 0, fmt.Errorf("making a temporary file: %w", err)
	}
	defer out.Close()
	ctx, task := progress.Start(ctx, f.Name+" "+f.Version, 0)
	m := module.Version{Path: f.Name, Version: f.Version}
	err = proxy.Zip(ctx, m, io.MultiWriter(out, sum), 0, task.Add)
	task.End(err)
	if err != nil {
		return 0, fmt.Errorf("getting %s@%s: %w", f.Name, f.Version, err)
	}
	size, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("writing a temporary file: %w", err)
	}
	if err := out.Close(); err != nil {
		return 0, fmt.Errorf("writing a temporary file: %w", err)
	}
	return size, nil
}

func copyFrom(w io.Writer, file string, offset int64) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}
