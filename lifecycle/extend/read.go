package extend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle/dockerfile"
)

// Kind is the image that a Dockerfile changes.
type Kind string

// The two images of a build.
const (
	Build Kind = "build"
	Run   Kind = "run"
)

// Dockerfile is what one extension says about one image.
type Dockerfile struct {
	// Extension is the ID of the extension, for errors.
	Extension string
	// Path is the file, and Context the directory that it copies from.
	Path, Context string
	// Args are the extension's own build arguments.
	Args map[string]string
	// Switch is the image that a run.Dockerfile puts in place of the run image; empty when it extends that.
	Switch string

	file *dockerfile.File
}

// baseArg is the build argument that names the image to extend.
const baseArg = "base_image"

// reserved are the arguments that every Dockerfile of an extension gets.
var reserved = []string{baseArg, "build_id", "user_id", "group_id"}

// maxConfig bounds extend-config.toml, in bytes.
const maxConfig = 1 << 20

// Read reads what the extension with this ID left in its output directory for one image; nil when that is nothing. app
// is what it copies from when it brought no context of its own.
func Read(id, output, app string, kind Kind) (*Dockerfile, error) {
	d, err := read(id, output, app, kind)
	if err != nil {
		return nil, fmt.Errorf("reading what extension %s generated for the %s image: %w", id, kind, err)
	}
	return d, nil
}

func read(id, output, app string, kind Kind) (*Dockerfile, error) {
	root, err := os.OpenRoot(output)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name := string(kind) + ".Dockerfile"
	text, err := readIn(root, name, dockerfile.MaxSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &Dockerfile{Extension: id, Path: filepath.Join(output, name)}
	if d.file, err = dockerfile.Parse(id+"/"+name, text); err != nil {
		return nil, err
	}
	if err := d.check(kind); err != nil {
		return nil, err
	}
	if d.Context, err = contextOf(root, output, app, kind); err != nil {
		return nil, err
	}
	d.Args, err = argsOf(root, kind)
	return d, err
}

// readIn reads a file of the output directory, which may not lead out of it.
func readIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// contextOf finds the directory to copy from: that of the image, the common one, or the app's.
func contextOf(root *os.Root, output, app string, kind Kind) (string, error) {
	own := "context." + string(kind)
	is := func(name string) bool {
		info, err := root.Lstat(name)
		return err == nil && info.IsDir()
	}
	common := is("context")
	if common && (is("context.build") || is("context.run")) {
		return "", errors.New("there is a directory context, and one for a single image besides: only one of the kinds may be there")
	}
	switch {
	case is(own):
		return filepath.Join(output, own), nil
	case common:
		return filepath.Join(output, "context"), nil
	}
	return app, nil
}

// argsOf reads the image's part of extend-config.toml.
func argsOf(root *os.Root, kind Kind) (map[string]string, error) {
	const name = "extend-config.toml"
	text, err := readIn(root, name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type image struct {
		Args []struct {
			Name  string `toml:"name"`
			Value string `toml:"value"`
		} `toml:"args"`
	}
	var config map[string]image
	if _, err := toml.Decode(string(text), &config); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	args := map[string]string{}
	for _, a := range config[string(kind)].Args {
		if a.Name == "" || slices.Contains(reserved, a.Name) {
			return nil, fmt.Errorf("reading %s: %q cannot be the name of an argument: it is empty, or one that every Dockerfile gets",
				name, a.Name)
		}
		args[a.Name] = a.Value
	}
	return args, nil
}

// check holds the Dockerfile against what the specification allows.
func (d *Dockerfile) check(kind Kind) error {
	f := d.file
	if len(f.Stages) != 1 {
		return &dockerfile.Error{File: f.Name, Line: f.Stages[1].Location[0].Start.Line,
			Err: errors.New("a Dockerfile of an extension has one FROM")}
	}
	base := f.Stages[0].BaseName
	at := func(err error) error {
		return &dockerfile.Error{File: f.Name, Line: f.Stages[0].Location[0].Start.Line, Err: err}
	}
	extends := base == "${"+baseArg+"}" || base == "$"+baseArg
	declared := slices.ContainsFunc(f.Args, func(a instructions.ArgCommand) bool {
		return slices.ContainsFunc(a.Args, func(kv instructions.KeyValuePairOptional) bool { return kv.Key == baseArg })
	})
	switch {
	case extends && !declared:
		return at(errors.New("ARG " + baseArg + " has to stand before FROM ${" + baseArg + "}"))
	case !extends && kind == Build:
		return at(fmt.Errorf("a build.Dockerfile begins with FROM ${%s}, not FROM %s", baseArg, base))
	case !extends && strings.Contains(base, "$"):
		return at(fmt.Errorf("FROM %s: a run.Dockerfile names ${%s} or an image", base, baseArg))
	case !extends:
		d.Switch = base
	}
	return nil
}

// usual are the instructions that a Dockerfile of an extension may have.
var usual = []string{"add", "arg", "copy", "env", "label", "run", "shell", "user", "workdir"}

// Unusual lists the other instructions, each with its line.
func (d *Dockerfile) Unusual() []string {
	var list []string
	for _, c := range d.file.Stages[0].Commands {
		if !slices.Contains(usual, strings.ToLower(c.Name())) {
			list = append(list, fmt.Sprintf("%s:%d: %s", d.file.Name, c.Location()[0].Start.Line, strings.ToUpper(c.Name())))
		}
	}
	return list
}

// changes tells whether the Dockerfile does more than to name an image.
func (d *Dockerfile) changes() bool { return len(d.file.Stages[0].Commands) > 0 }

// Choose finds out what the run.Dockerfiles of a group, in its order, come to: the last one that switches decides the
// image, and those before it do not count. What is left to apply is returned in order.
func Choose(all []*Dockerfile) (image string, apply []*Dockerfile) {
	for _, d := range all {
		if d.Switch != "" {
			image, apply = d.Switch, nil
		}
		if d.changes() {
			apply = append(apply, d)
		}
	}
	return image, apply
}
