package stacks

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"s2i/stacks/deb"
)

// Limits of what an npm tarball may hold.
const (
	maxNPMFile  = 1 << 30
	maxNPMBytes = 4 << 30
)

// npmSource writes the layer of a part that comes from an npm tarball.
func (s *Stack) npmSource(part Part) func(ctx context.Context, w io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		file, err := s.getTool(ctx, part.Package, part.Provider, *part.Tool)
		if err != nil {
			return s.missing(part, err)
		}
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("opening npm package %s: %w", part.Tool.Name, err)
		}
		defer f.Close()
		t := newTree(w)
		n := &npmTree{t: t, part: part, dest: strings.Trim(part.Dest, "/")}
		if err := n.unpack(ctx, f); err != nil {
			return fmt.Errorf("composing %s from npm package %s@%s: %w", part.Name, part.Tool.Name, part.Tool.Version, err)
		}
		return t.close()
	}
}

// npmTree writes what is selected of an npm tarball.
type npmTree struct {
	t    *tree
	part Part
	dest string
	bins map[string]string // command → path in the package, of a package
	held []heldFile        // files read before package.json was
}

type heldFile struct {
	name string
	exec bool
	body []byte
}

func (n *npmTree) unpack(ctx context.Context, r io.Reader) error {
	z, err := gzip.NewReader(bufio.NewReaderSize(r, 256<<10))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer z.Close()
	tr := tar.NewReader(io.LimitReader(z, maxNPMBytes))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue // npm itself ignores links
		}
		if h.Size > maxNPMFile {
			return fmt.Errorf("unpacking: %s has %d bytes", h.Name, h.Size)
		}
		name, err := stripped(h.Name)
		if err != nil {
			return err
		}
		if err := n.file(name, h, tr); err != nil {
			return err
		}
	}
	return n.finish()
}

// stripped takes the first element ("package") from a path.
func stripped(name string) (string, error) {
	clean, err := deb.CleanName(name)
	if err != nil {
		return "", fmt.Errorf("unpacking: it has an entry named %q", name)
	}
	_, rest, ok := strings.Cut(clean, "/")
	if !ok || rest == "" {
		return "", fmt.Errorf("unpacking: entry %q lies outside of the package", name)
	}
	return rest, nil
}

func (n *npmTree) file(name string, h *tar.Header, r io.Reader) error {
	switch n.part.Select {
	case selectProgram:
		if name == n.part.Program {
			return n.add(path.Join(n.dest, "bin", path.Base(name)), h.Size, true, r)
		}
		return nil
	case selectRuntime:
		switch name {
		case "bin/node":
			return n.add(path.Join(n.dest, name), h.Size, true, r)
		case "LICENSE":
			return n.add("usr/share/doc/"+n.part.Package+"/copyright", h.Size, false, r)
		}
		return nil
	case selectHeaders:
		if strings.HasPrefix(name, "include/") {
			return n.add(path.Join(n.dest, name), h.Size, false, r)
		}
		return nil
	default:
		return n.hold(name, h, r)
	}
}

// hold keeps a package's file until package.json has said which files are commands.
func (n *npmTree) hold(name string, h *tar.Header, r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", name, err)
	}
	if name == "package.json" {
		if n.bins, err = commands(body); err != nil {
			return err
		}
	}
	n.held = append(n.held, heldFile{name, h.Mode&0o111 != 0, body})
	return nil
}

// commands reads the field bin of a package.json: a path, or paths by command.
func commands(text []byte) (map[string]string, error) {
	var p struct {
		Name string          `json:"name"`
		Bin  json.RawMessage `json:"bin"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("reading package.json: %w", err)
	}
	bins := map[string]string{}
	var one string
	if json.Unmarshal(p.Bin, &one) == nil && one != "" {
		bins[path.Base(p.Name)] = one
	} else if len(p.Bin) > 0 {
		if err := json.Unmarshal(p.Bin, &bins); err != nil {
			return nil, fmt.Errorf("reading the commands in package.json: %w", err)
		}
	}
	for name, file := range bins {
		clean, err := deb.CleanName(file)
		if err != nil || name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
			return nil, fmt.Errorf("reading package.json: command %q is %q", name, file)
		}
		bins[name] = clean
	}
	return bins, nil
}

// finish writes what was held, and the links to commands.
func (n *npmTree) finish() error {
	if n.part.Select != selectPackage {
		if len(n.t.seen) == 0 {
			return errors.New("the package does not hold what was expected of it")
		}
		return nil
	}
	if n.bins == nil {
		return errors.New("it has no package.json")
	}
	var execs []string
	for _, file := range n.bins {
		execs = append(execs, file)
	}
	for _, f := range n.held {
		exec := f.exec || slices.Contains(execs, f.name)
		err := n.add(path.Join(n.dest, f.name), int64(len(f.body)), exec, bytes.NewReader(f.body))
		if err != nil {
			return err
		}
	}
	for _, command := range sortedKeys(n.bins) {
		target := "../lib/node_modules/" + path.Base(n.dest) + "/" + n.bins[command]
		if !n.t.has(path.Join(n.dest, n.bins[command])) {
			return fmt.Errorf("command %s is %s, which is not in the package", command, n.bins[command])
		}
		if err := n.t.symlink("usr/local/bin/"+command, target, n.part.Name); err != nil {
			return err
		}
	}
	return nil
}

func (n *npmTree) add(name string, size int64, exec bool, r io.Reader) error {
	mode := int64(0o644)
	if exec {
		mode = 0o755
	}
	return n.t.file(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: size}, r, n.part.Name)
}
