package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxFile bounds how much of one file of the app is read, in bytes. Lock files of large repositories reach 30 MB.
const MaxFile = 64 << 20

// ErrTooLarge is the error of [App.Read] for a file of more than MaxFile bytes.
var ErrTooLarge = errors.New("file is too large")

// App reads files of the app. Nothing outside the app's directory can be reached through it, whatever symlinks the app
// holds. Names are slash-separated and relative to the app.
type App struct {
	// Dir is the app's directory.
	Dir  string
	root *os.Root
}

// OpenApp opens the app in dir. Close it after use.
func OpenApp(dir string) (*App, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the app: %w", err)
	}
	return &App{Dir: dir, root: root}, nil
}

// Close releases the directory.
func (a *App) Close() error { return a.root.Close() }

// FS gives the app as a file system; it cannot leave the app's directory either.
func (a *App) FS() fs.FS { return a.root.FS() }

// Root gives the directory for changing it.
func (a *App) Root() *os.Root { return a.root }

// Has tells whether name is a regular file, or a symlink inside the app to one.
func (a *App) Has(name string) bool {
	info, err := a.root.Stat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular()
}

// HasDir tells whether name is a directory.
func (a *App) HasDir(name string) bool {
	info, err := a.root.Stat(filepath.FromSlash(name))
	return err == nil && info.IsDir()
}

// First gives the first of names that is a regular file, or "".
func (a *App) First(names ...string) string {
	for _, name := range names {
		if a.Has(name) {
			return name
		}
	}
	return ""
}

// Read reads a regular file. Errors: fs.ErrNotExist, ErrTooLarge, and those of reading.
func (a *App) Read(name string) ([]byte, error) {
	path := filepath.FromSlash(name)
	info, err := a.root.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	// Checked before opening: opening a named pipe would wait for a writer.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: it is no regular file", name)
	}
	f, err := a.root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("reading %s: %w (more than %d MiB)", name, ErrTooLarge, MaxFile>>20)
	}
	return data, nil
}

// JSON reads a JSON file into v.
func (a *App) JSON(name string, v any) error {
	data, err := a.Read(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parsing %s%s: %w", name, jsonLine(data, err), err)
	}
	return nil
}

// jsonLine gives ":line" of a JSON syntax error.
func jsonLine(data []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset > int64(len(data)) {
		return ""
	}
	return fmt.Sprintf(":%d", Line(data, int(syntax.Offset)))
}

// Line gives the line number, from 1, of a byte offset.
func Line(data []byte, offset int) int {
	line := 1
	for _, b := range data[:min(offset, len(data))] {
		if b == '\n' {
			line++
		}
	}
	return line
}
