package java

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// stageDir is a directory in the app's own in which the app to run is laid out, before it takes the place of all else.
const stageDir = ".s2i-stage"

// maxUnpacked bounds what an archive holds, unpacked, in bytes.
const maxUnpacked = 8 << 30

// stage is a place to lay out the app to run. Nothing outside of it can be written to.
type stage struct {
	app  *kit.App
	root *os.Root
	left int64
}

// newStage makes an empty stage. Close it after use.
func newStage(app *kit.App) (*stage, error) {
	if err := app.Root().RemoveAll(stageDir); err != nil {
		return nil, fmt.Errorf("laying out the app: %w", err)
	}
	if err := app.Root().Mkdir(stageDir, 0o755); err != nil {
		return nil, fmt.Errorf("laying out the app: %w", err)
	}
	root, err := app.Root().OpenRoot(stageDir)
	if err != nil {
		return nil, fmt.Errorf("laying out the app: %w", err)
	}
	return &stage{app: app, root: root, left: maxUnpacked}, nil
}

// Close releases the directory.
func (s *stage) Close() { _ = s.root.Close() }

// put writes a file.
func (s *stage) put(name string, r io.Reader) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("laying out the app: %q is no path", name)
	}
	local := filepath.FromSlash(name)
	if err := s.root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return fmt.Errorf("laying out the app: %w", err)
	}
	f, err := s.root.OpenFile(local, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("laying out the app: %w", err)
	}
	n, err := io.Copy(f, io.LimitReader(r, s.left+1))
	err = errors.Join(err, f.Close())
	if s.left -= n; err == nil && s.left < 0 {
		err = fmt.Errorf("the app is larger than %d GB", maxUnpacked>>30)
	}
	if err != nil {
		return fmt.Errorf("laying out %s: %w", name, err)
	}
	return nil
}

// copyFile copies a file of the build image, such as one of Maven's repository. A jar gets the times that every zip
// archive of ours has when the build made it.
func (s *stage) copyFile(name, from string, made bool) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("laying out %s: %w", name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("laying out %s: %s is no regular file: %w", name, from, err)
	}
	if !made || path.Ext(name) != ".jar" {
		return s.put(name, f)
	}
	return s.putStable(name, f)
}

// putStable copies a jar with the same times for all entries, whatever clock was there when it was made.
func (s *stage) putStable(name string, f *os.File) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(stabilise(w, f)) }()
	err := s.put(name, r)
	return errors.Join(err, r.Close())
}

// stabilise writes a zip archive again, entry by entry as it is but for the times.
func stabilise(w io.Writer, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	out := zip.NewWriter(w)
	for _, entry := range z.File {
		header := entry.FileHeader
		const february1980 = 1<<5 | 1                              // the date of jars that plugins make reproducible, in the format of MS-DOS
		header.ModifiedDate, header.ModifiedTime = february1980, 0 //nolint:staticcheck // Modified would add an extra field
		header.Extra = nil
		directory := strings.HasSuffix(entry.Name, "/")
		if directory { // some are compressed nothing
			header.Method, header.Flags, header.CRC32 = zip.Store, 0, 0
			header.CompressedSize64, header.UncompressedSize64 = 0, 0
		}
		from, err := entry.OpenRaw()
		if err != nil {
			return fmt.Errorf("reading %s in %s: %w", entry.Name, f.Name(), err)
		}
		to, err := out.CreateRaw(&header)
		if err != nil {
			return fmt.Errorf("writing %s: %w", entry.Name, err)
		}
		if directory {
			continue
		}
		if _, err := io.Copy(to, from); err != nil {
			return fmt.Errorf("writing %s: %w", entry.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing an archive: %w", err)
	}
	return nil
}

// unpack unpacks a jar; place gives every file its place in the stage, "" leaves it out.
func (s *stage) unpack(j *jar, place func(name string) string) error {
	for _, f := range j.zip.File {
		if f.FileInfo().IsDir() || !fs.ValidPath(f.Name) {
			continue
		}
		name := place(f.Name)
		if name == "" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("reading %s in %s: %w", f.Name, j.Name, err)
		}
		err = s.put(name, r)
		_ = r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies what is in a directory of the app; place is as that of unpack.
func (s *stage) copyTree(dir string, place func(name string) string) error {
	return fs.WalkDir(s.app.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to := place(strings.TrimPrefix(name, dir+"/"))
		if to == "" {
			return nil
		}
		f, err := s.app.Root().Open(filepath.FromSlash(name))
		if err != nil {
			return fmt.Errorf("laying out %s: %w", name, err)
		}
		defer f.Close()
		return s.put(to, f)
	})
}

// keep moves those files of the app to the stage that a glob matches, to where they are.
func (s *stage) keep(globs []string) error {
	for _, glob := range globs {
		matches, err := fs.Glob(s.app.FS(), path.Clean(glob))
		if err != nil {
			return reject("%s: %q is no glob: %v", envKeep, glob, err)
		}
		for _, name := range matches {
			if strings.HasPrefix(name, stageDir) {
				continue
			}
			local := filepath.FromSlash(name)
			if err := s.root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
				return fmt.Errorf("keeping %s: %w", name, err)
			}
			err := s.app.Root().Rename(local, filepath.Join(stageDir, local))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("keeping %s: %w", name, err)
			}
		}
	}
	return nil
}

// replace removes everything of the app but the stage, and puts what is on the stage in its place.
func (s *stage) replace() error {
	entries, err := fs.ReadDir(s.app.FS(), ".")
	if err != nil {
		return fmt.Errorf("reading the app: %w", err)
	}
	for _, e := range entries {
		if e.Name() == stageDir || e.Name() == kit.Procfile {
			continue
		}
		if err := s.app.Root().RemoveAll(e.Name()); err != nil {
			return fmt.Errorf("removing the sources: %w", err)
		}
	}
	staged, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("reading what is laid out: %w", err)
	}
	for _, e := range staged {
		if err := s.app.Root().Rename(filepath.Join(stageDir, e.Name()), e.Name()); err != nil {
			return fmt.Errorf("laying out the app: %w", err)
		}
	}
	if err := s.app.Root().Remove(stageDir); err != nil {
		return fmt.Errorf("laying out the app: %w", err)
	}
	return nil
}

// slicesOf divides libraries into those of releases and those that change under their name, and escapes them as globs.
func slicesOf(libs []string, changing map[string]bool) (released, snapshots []string) {
	for _, lib := range slices.Sorted(slices.Values(libs)) {
		if changing[lib] || strings.Contains(lib, "SNAPSHOT") {
			snapshots = append(snapshots, globOf(lib))
		} else {
			released = append(released, globOf(lib))
		}
	}
	return released, snapshots
}

// globOf is the glob that matches only this path.
func globOf(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}
