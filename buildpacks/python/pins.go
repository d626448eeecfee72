package python

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// pins writes what a lock file holds for this app as a requirements.txt with hashes, which uv installs exactly.
func (d *dependencies) pins(appDir string, options []string) (string, error) {
	var b strings.Builder
	for _, o := range options {
		b.WriteString(o + "\n")
	}
	for _, e := range d.chosen.entries {
		line, err := e.pin(appDir, d.chosen.extras[e.Name])
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", d.lock, err)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// pin writes one package.
func (e *entry) pin(appDir string, extras []string) (string, error) {
	name := e.Name
	if len(extras) > 0 {
		name += "[" + strings.Join(extras, ",") + "]"
	}
	switch {
	case e.URL == virtual:
		return "", nil
	case e.Path != "":
		if !filepath.IsLocal(e.Path) {
			return "", fmt.Errorf("%w: %s is in %s, which is outside the app: build the directory that holds both",
				errLock, e.Name, e.Path)
		}
		if e.Path == "." {
			return "", nil // the project itself is installed for itself
		}
		if e.Editable {
			return "-e " + path.Join(appDir, e.Path) + "\n", nil
		}
		return e.Name + " @ file://" + path.Join(appDir, e.Path) + "\n", nil
	case e.URL != "":
		return name + " @ " + e.URL + "\n", nil
	case e.Version == "":
		return "", fmt.Errorf("%w: %s has no version", errLock, e.Name)
	}
	// Without its extras: what they bring is listed, too.
	line := e.Name + "==" + e.Version
	for _, h := range union(e.Hashes, nil) {
		line += " \\\n    --hash=" + h
	}
	return line + "\n", nil
}

// indexOptions gives the indexes that the project's own files name besides the default one, as options of a
// requirements.txt. The default index is the platform's affair; a lock file's addresses are not used, so that a mirror
// serves everything. What is installed is pinned by its hash, wherever it comes from.
func (d *decision) indexOptions() []string {
	var urls []string
	if d.py != nil {
		for _, i := range d.py.Tool.UV.Index {
			urls = append(urls, i.URL)
		}
		if d.py.Tool.Poetry != nil {
			for _, s := range d.py.Tool.Poetry.Source {
				urls = append(urls, s.URL)
			}
		}
	}
	var list []string
	for _, u := range urls {
		if u != "" && !strings.ContainsAny(u, " \n\r\t") {
			list = append(list, "--extra-index-url "+u)
		}
	}
	if d.deps.reqs != nil {
		list = append(list, d.deps.reqs.options...)
	}
	return list
}
