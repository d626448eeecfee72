package python

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

var errInterpreter = errors.New("asking python3 for its version: the answer is not understood")

// makeVenv makes an empty virtual environment (PEP 405) in dir. Its interpreter is a link to the one of the run image,
// so that patches of Python arrive by a rebase.
func makeVenv(dir string, in interpreter) error {
	site := filepath.Join(dir, "lib", "python"+minor(in.version), "site-packages")
	if err := os.MkdirAll(site, 0o755); err != nil {
		return fmt.Errorf("making the virtual environment: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return fmt.Errorf("making the virtual environment: %w", err)
	}
	for link, target := range map[string]string{
		"bin/python": in.program, "bin/python3": "python", "bin/python" + minor(in.version): "python", "lib64": "lib",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			return fmt.Errorf("making the virtual environment: %w", err)
		}
	}
	text := "home = /usr/bin\ninclude-system-site-packages = false\nversion = " + minor(in.version) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("making the virtual environment: %w", err)
	}
	return nil
}

// normalise removes from a virtual environment what says when, where or with which credentials it was made.
func normalise(dir string) error {
	for _, name := range []string{".lock", ".gitignore", "CACHEDIR.TAG"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("cleaning the virtual environment: %w", err)
		}
	}
	infos, err := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages", "*.dist-info"))
	if err != nil {
		return fmt.Errorf("cleaning the virtual environment: %w", err)
	}
	for _, info := range infos {
		if err := normaliseInfo(info); err != nil {
			return fmt.Errorf("cleaning %s: %w", filepath.Base(info), err)
		}
	}
	return nil
}

// normaliseInfo does that for one package: uv's notes about its cache go, and passwords in the address that the package
// came from.
func normaliseInfo(info string) error {
	drop := map[string]bool{}
	for _, name := range []string{"uv_cache.json", "uv_build.json"} {
		err := os.Remove(filepath.Join(info, name))
		if err == nil {
			drop[filepath.Base(info)+"/"+name] = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	changed, err := withoutPassword(filepath.Join(info, "direct_url.json"))
	if err != nil {
		return err
	}
	if changed {
		drop[filepath.Base(info)+"/direct_url.json"] = true
	}
	if len(drop) == 0 {
		return nil
	}
	record := filepath.Join(info, "RECORD")
	data, err := os.ReadFile(record)
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(data) {
		name, _, _ := strings.Cut(string(line), ",")
		if !drop[name] {
			kept.Write(line)
		} else if strings.HasSuffix(name, "direct_url.json") {
			kept.WriteString(name + ",,\n")
		}
	}
	return replaceFile(record, kept.Bytes())
}

// withoutPassword removes user and password from the address in a direct_url.json (PEP 610).
func withoutPassword(file string) (changed bool, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return false, err
	}
	text, _ := fields["url"].(string)
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return false, nil //nolint:nilerr // no address, nothing in it
	}
	u.User = nil
	fields["url"] = u.String()
	if data, err = json.Marshal(fields); err != nil {
		return false, err
	}
	return true, replaceFile(file, data)
}

// replaceFile writes a file anew: the old one may be a hard link to a file of uv's cache.
func replaceFile(name string, data []byte) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
