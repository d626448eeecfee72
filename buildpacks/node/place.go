package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// placement is how a closure becomes the node_modules of a layer.
type placement struct {
	// From is the installation, To the layer's directory; AppDir is where the app's own packages will be.
	From, To, AppDir string
	// Move allows to take packages out of the installation; else their files are hard links where possible.
	Move bool
}

// place makes the closure's node_modules. It gives the directories of the app that have one.
func (c *closure) place(p placement, members []*member) ([]string, error) {
	to, appDir := p.To, p.AppDir
	for _, dir := range c.directories() {
		if err := os.MkdirAll(filepath.Join(to, filepath.FromSlash(dir)), 0o755); err != nil {
			return nil, fmt.Errorf("placing the packages: %w", err)
		}
	}
	if err := c.placeFiles(p); err != nil {
		return nil, fmt.Errorf("placing the packages: %w", err)
	}
	for entry, dir := range c.links {
		target, err := filepath.Rel(path.Dir(entry), dir)
		if err == nil {
			err = symlink(target, filepath.Join(to, filepath.FromSlash(entry)))
		}
		if err != nil {
			return nil, fmt.Errorf("placing the packages: %w", err)
		}
	}
	for entry, dir := range c.outside {
		err := symlink(filepath.Join(appDir, filepath.FromSlash(dir)), filepath.Join(to, filepath.FromSlash(entry)))
		if err != nil {
			return nil, fmt.Errorf("placing the packages: %w", err)
		}
	}
	for _, m := range members {
		if err := c.placeCommands(to, m); err != nil {
			return nil, fmt.Errorf("placing the packages' commands: %w", err)
		}
	}
	return c.homes(), nil
}

// placeCommands makes node_modules/.bin of one of the app's packages.
func (c *closure) placeCommands(to string, m *member) error {
	bin := path.Join(m.Dir, "node_modules", ".bin")
	for name, file := range c.commands(m) {
		target, err := filepath.Rel(bin, file)
		if err != nil {
			return err
		}
		if err := symlink(target, filepath.Join(to, filepath.FromSlash(bin), name)); err != nil {
			return err
		}
	}
	return nil
}

// installed tells whether a directory is inside some node_modules, and not one of the app's own packages.
func installed(dir string) bool { return slices.Contains(strings.Split(dir, "/"), "node_modules") }

// directories gives the packages to place, sorted, so that a package comes before those nested in it.
func (c *closure) directories() []string {
	var dirs []string
	for dir := range c.packages {
		if installed(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// homes gives the directories of the app in which node_modules is, sorted.
func (c *closure) homes() []string {
	var homes []string
	add := func(entry string) {
		for dir, rest := ".", entry; rest != ""; {
			first, after, _ := strings.Cut(rest, "/")
			if first == "node_modules" {
				homes = append(homes, dir)
				return
			}
			dir, rest = path.Join(dir, first), after
		}
	}
	for _, dir := range c.directories() {
		add(dir)
	}
	for entry := range c.links {
		add(entry)
	}
	for entry := range c.outside {
		add(entry)
	}
	return sortUnique(homes)
}

// placeFiles places the files of all packages, several packages at a time.
func (c *closure) placeFiles(p placement) error {
	dirs := c.directories()
	work := make(chan string)
	failed := make(chan error, len(dirs))
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for dir := range work {
				rel := filepath.FromSlash(dir)
				from, to := filepath.Join(p.From, rel), filepath.Join(p.To, rel)
				if p.Move && moved(from, to) {
					continue
				}
				if err := linkTree(from, to, ""); err != nil {
					failed <- err
				}
			}
		})
	}
	for _, dir := range dirs {
		work <- dir
	}
	close(work)
	workers.Wait()
	close(failed)
	return <-failed
}

// moved moves a package that belongs into the layer as it is, all of it, onto the empty directory at to.
func moved(from, to string) bool {
	entries, err := os.ReadDir(from)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if name := e.Name(); name == "build" || leftover(name) || e.Type()&fs.ModeSymlink != 0 {
			return false
		}
	}
	if os.Remove(to) != nil {
		return false
	}
	if os.Rename(from, to) == nil {
		return true
	}
	_ = os.Mkdir(to, 0o755) // linking the files reports what is wrong
	return false
}

// linkTree links the files of one package. inside is the path below the package's directory.
func linkTree(from, to, inside string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(inside, e.Name())
		if leftover(name) {
			continue
		}
		source, dest := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			if err := os.MkdirAll(dest, 0o755); err != nil {
				return err
			}
			if err := linkTree(source, dest, name); err != nil {
				return err
			}
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(source)
			if err != nil {
				return err
			}
			if filepath.IsLocal(filepath.Join(filepath.Dir(name), target)) && !filepath.IsAbs(target) {
				if err := symlink(target, dest); err != nil {
					return err
				}
			}
		case e.Type().IsRegular():
			if err := linkFile(source, dest); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftover tells of what a package's directory holds that is not the package: what is nested in it, which is placed
// for itself, and what node-gyp and node-pre-gyp leave behind besides the result: much, and different from machine to
// machine.
func leftover(name string) bool {
	switch name {
	case "node_modules", "build/Makefile", "build/config.gypi", "build/binding.Makefile", "build/gyp-mac-tool",
		"build/node_gyp_bins", "build/Release/.deps", "build/Release/obj.target", "build/Release/obj",
		"build/Release/.forge-meta":
		return true
	}
	top, below, _ := strings.Cut(name, "/")
	if strings.HasPrefix(top, "build-tmp-") {
		return true
	}
	return top == "build" && below != "" && slices.Contains([]string{".mk", ".a", ".ar-file-list", ".stamp"}, path.Ext(name))
}

func linkFile(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return nil
	}
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EMLINK) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	return copyFile(from, to, info.Mode())
}

// symlink makes a symlink and the directories above it.
func symlink(target, at string) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, at)
}

// copyFile copies a file that cannot be linked.
func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
