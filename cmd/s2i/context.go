package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/urfave/cli/v2"

	"s2i/detect/source"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/dockerfile/check"
	"s2i/lifecycle/progress"
)

// place is the directory of a build context.
type place struct {
	dir string
	// fetched says that it came from elsewhere: then its links do not lead out of it, and it is where a Dockerfile is
	// looked for first.
	fetched bool
	made    time.Time // when what was fetched was made, as far as that is known
}

// open opens a file of the context.
func (p place) open(name string) (*os.File, error) {
	if !p.fetched {
		return os.Open(filepath.Join(p.dir, name))
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(filepath.Clean(name))
}

// read reads a small file of the context.
func (p place) read(name string) ([]byte, error) {
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

// readAll reads at most what a Dockerfile may have, and one byte more.
func readAll(f *os.File) ([]byte, error) {
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return nil, errors.Join(err, &fs.PathError{Op: "read", Path: f.Name(), Err: errors.New("it is a directory")})
	}
	return io.ReadAll(io.LimitReader(f, dockerfile.MaxSize+1))
}

// contexts opens what a build from a Dockerfile reads.
type contexts struct {
	c       *cli.Context
	t       *tools
	o       *dockerfile.Options
	closers []func()
}

func (x *contexts) close() {
	for _, f := range x.closers {
		f()
	}
}

// open opens the build context, the Dockerfile, and the named contexts. dir is the build context when it is known
// already.
func (x *contexts) open(ctx context.Context, dir place) error {
	var err error
	if x.o.SSH, err = x.agents(x.c.StringSlice("ssh")); err != nil {
		return err
	}
	x.o.Git = repositories{x}
	if dir.dir == "" {
		src, err := sourceArg(x.c)
		if err != nil {
			return err
		}
		if src, err = x.dockerfileAsSource(src); err != nil {
			return err
		}
		if err := oneStdin(x.c, src); err != nil {
			return err
		}
		if dir, err = x.directory(ctx, src, loneName(x.c)); err != nil {
			return err
		}
	}
	file, patterns, err := readDockerfile(ctx, x.c, dir)
	if err != nil {
		return err
	}
	x.o.File = file
	if x.o.Context, err = x.files(dir, append(patterns, x.c.StringSlice("ignore")...)); err != nil {
		return err
	}
	x.o.Contexts = map[string]dockerfile.NamedContext{}
	for _, flag := range x.c.StringSlice("build-context") {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" || value == "" {
			return usageError("--build-context %s is not NAME=DIR", flag)
		}
		if x.o.Contexts[name], err = x.named(ctx, value); err != nil {
			return fmt.Errorf("opening --build-context %s: %w", name, err)
		}
	}
	return nil
}

// loneName is what the Dockerfile is called that comes in place of a context: what --file says, unless that is one here.
func loneName(c *cli.Context) string {
	file := c.String("file")
	if !c.IsSet("file") {
		return "Dockerfile"
	}
	if _, err := os.Stat(file); err == nil || filepath.Base(file) != file || file == "-" {
		return ""
	}
	return file
}

// oneStdin refuses to read two things from standard input, where there can be only one.
func oneStdin(c *cli.Context, src string) error {
	var who []string
	if src == "-" {
		who = append(who, "SRC")
	}
	if c.String("file") == "-" {
		who = append(who, "--file")
	}
	for _, flag := range c.StringSlice("build-context") {
		if name, value, _ := strings.Cut(flag, "="); value == "-" {
			who = append(who, "--build-context "+name)
		}
	}
	if len(who) > 1 {
		return usageError("%s cannot both be standard input: put one of them into a file", strings.Join(who, " and "))
	}
	return nil
}

// dockerfileAsSource takes SRC that is a Dockerfile for its directory and --file, as Buildah does.
func (x *contexts) dockerfileAsSource(src string) (string, error) {
	name := strings.ToLower(filepath.Base(src))
	if x.c.IsSet("file") || !strings.HasPrefix(name, "dockerfile") && !strings.HasPrefix(name, "containerfile") {
		return src, nil
	}
	if info, err := os.Stat(src); err != nil || !info.Mode().IsRegular() {
		return src, nil //nolint:nilerr // whoever opens it says so
	}
	return filepath.Dir(src), x.c.Set("file", src)
}

// files opens a directory for COPY and ADD.
func (x *contexts) files(dir place, patterns []string) (*dockerfile.Context, error) {
	opened, err := dockerfile.OpenContext(dir.dir, patterns, x.t.store)
	if err != nil {
		return nil, err
	}
	opened.Made = dir.made
	x.closers = append(x.closers, func() { _ = opened.Close() })
	return opened, nil
}

// directory gives the directory of a context: the one that src is, or where it is unpacked. lone is what text is called
// that is there in place of an archive.
func (x *contexts) directory(ctx context.Context, src, lone string) (place, error) {
	if info, err := os.Stat(src); err == nil && info.IsDir() {
		return place{dir: src}, nil
	}
	if err := checkOffline(x.c, src); err != nil {
		return place{}, err
	}
	keep := x.o.Args["BUILDKIT_CONTEXT_KEEP_GIT_DIR"]
	tree, err := x.fetch(ctx, src, source.Options{Stdin: x.c.App.Reader, Lone: lone, KeepGit: keep == "1" || keep == "true",
		Limits: x.t.store.Limits, Getenv: x.environment(true)})
	if err != nil {
		return place{}, err
	}
	return place{tree.Dir, true, tree.Made}, nil
}

// fetch opens a source as it is, for as long as the command runs.
func (x *contexts) fetch(ctx context.Context, src string, o source.Options) (*source.Tree, error) {
	dir, release, err := x.t.store.TempDir("source")
	if err != nil {
		return nil, err
	}
	o.Raw, o.TempDir = true, dir
	tree, err := source.Open(ctx, src, o)
	if err != nil {
		release()
		return nil, err
	}
	x.closers = append(x.closers, func() { _ = tree.Close(); release() })
	return tree, nil
}

// environment looks credentials up: the build's secrets GIT_AUTH_TOKEN and GIT_AUTH_HEADER, also with .HOST, and its
// agent for ssh; and, for what the user names, those in the environment and in the home directory.
func (x *contexts) environment(all bool) func(string) string {
	return func(name string) string {
		agent, given := x.o.SSH["default"]
		switch {
		case strings.HasPrefix(name, "GIT_AUTH_"):
			if value, ok, err := x.o.Secret(name); ok && err == nil {
				return strings.TrimSpace(string(value))
			}
		case name == "SSH_AUTH_SOCK" && given:
			return agent
		case name == "SSH_KNOWN_HOSTS" && !all: // of the home directory this is no secret
			return cmp.Or(os.Getenv(name), filepath.Join(os.Getenv("HOME"), ".ssh", "known_hosts")+":/etc/ssh/ssh_known_hosts")
		}
		if !all {
			return ""
		}
		return os.Getenv(name)
	}
}

// named opens what --build-context names.
func (x *contexts) named(ctx context.Context, value string) (n dockerfile.NamedContext, err error) {
	switch scheme, rest, _ := strings.Cut(value, "://"); {
	case (scheme == "docker-image" || scheme == "docker" || scheme == "container-image") && rest != "": // two are Buildah's
		n.Image, err = parseRef(rest)
		return n, err
	case scheme == "oci-layout" && rest != "":
		n.Image, err = parseRef("oci:" + rest)
		return n, err
	}
	dir, err := x.directory(ctx, value, "")
	if err != nil {
		return n, err
	}
	patterns, err := readIgnore(dir, ".containerignore", ".dockerignore")
	if err != nil {
		return n, err
	}
	n.Dir, err = x.files(dir, patterns)
	return n, err
}

// readDockerfile finds and reads the Dockerfile, and what the context leaves out.
func readDockerfile(ctx context.Context, c *cli.Context, dir place) (*dockerfile.File, []string, error) {
	found, err := findDockerfile(ctx, c, dir)
	if err != nil {
		return nil, nil, err
	}
	file, err := dockerfile.Parse(found.name, found.text)
	if asked, callErr := readCall(c); err != nil && callErr == nil && asked.method == "check" {
		report, _ := check.Run(ctx, found.text, check.Options{Name: found.name}) // what stands before the error
		return nil, nil, asked.errorsFirst(c, report, usageError("%w", err))
	}
	if err != nil {
		return nil, nil, usageError("%w", err)
	}
	if name := c.String("ignorefile"); name != "" {
		text, err := readFile(name)
		if err != nil {
			return nil, nil, usageError("reading --ignorefile: %w", err)
		}
		patterns, err := parseIgnore(name, text)
		return file, patterns, err
	}
	if found.ignore != nil {
		patterns, err := parseIgnore(found.name+".dockerignore", found.ignore)
		return file, patterns, err
	}
	patterns, err := readIgnore(dir, ".containerignore", ".dockerignore")
	return file, patterns, err
}

// readIgnore reads the first of the files that is there.
func readIgnore(dir place, names ...string) ([]string, error) {
	for _, name := range names {
		text, err := dir.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return parseIgnore(filepath.Join(dir.dir, name), text)
	}
	return nil, nil
}

func parseIgnore(name string, text []byte) ([]string, error) {
	if len(text) > dockerfile.MaxSize {
		return nil, usageError("reading %s: it is larger than %d bytes", name, dockerfile.MaxSize)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, usageError("reading %s: %w", name, err)
	}
	return patterns, nil
}

// foundFile is a Dockerfile, and the ignore file of its own when it has one.
type foundFile struct {
	name         string
	text, ignore []byte
}

// findDockerfile finds the Dockerfile: what --file names, from where the user is or else in the context (the other way
// round for a fetched one), or what the context has under one of the usual names.
func findDockerfile(ctx context.Context, c *cli.Context, dir place) (foundFile, error) {
	file := c.String("file")
	switch {
	case file == "-":
		text, err := io.ReadAll(io.LimitReader(c.App.Reader, dockerfile.MaxSize+1))
		return foundFile{name: "-", text: text}, err
	case strings.HasPrefix(file, "http://") || strings.HasPrefix(file, "https://"):
		return downloadDockerfile(ctx, c, file)
	case file != "":
		here := func() (foundFile, error) { return readWithIgnore(file, file, readFile) }
		inside := func() (foundFile, error) { return readWithIgnore(file, filepath.Join(dir.dir, file), dir.read) }
		first, second := here, inside
		if dir.fetched && !filepath.IsAbs(file) {
			first, second = inside, here
		}
		found, err := first()
		if err != nil {
			if other, otherErr := second(); otherErr == nil {
				return other, nil
			}
			return found, usageError("reading the Dockerfile: %w", err)
		}
		return found, nil
	}
	for _, name := range usualNames(ctx, dir) {
		found, err := readWithIgnore(name, filepath.Join(dir.dir, name), dir.read)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
	}
	return foundFile{}, usageError("there is no Dockerfile in %s; name one with --file", dir.dir)
}

// usualNames are the names to look for. Who writes a Containerfile means it for this; that there is also a Dockerfile,
// which docker would take, is worth a word.
func usualNames(ctx context.Context, dir place) []string {
	if container, err := dir.read("Containerfile"); err == nil {
		if docker, err := dir.read("Dockerfile"); err == nil && !bytes.Equal(container, docker) {
			progress.Warn(ctx, "building Containerfile; there is also another Dockerfile: --file Dockerfile")
		}
	}
	return []string{"Containerfile", "containerfile", "Dockerfile", "dockerfile"}
}

// readWithIgnore reads a Dockerfile and <Dockerfile>.containerignore or <Dockerfile>.dockerignore.
func readWithIgnore(name, called string, read func(string) ([]byte, error)) (found foundFile, err error) {
	found.name = called
	if found.text, err = read(name); err != nil {
		return found, err
	}
	for _, ext := range []string{".containerignore", ".dockerignore"} {
		if found.ignore, err = read(name + ext); !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
	}
	return found, nil
}

// downloadDockerfile gets a Dockerfile from a URL.
func downloadDockerfile(ctx context.Context, c *cli.Context, address string) (foundFile, error) {
	found := foundFile{name: source.Redact(address)}
	if c.Bool("offline") {
		return found, usageError("--file %s would be downloaded, which --offline forbids", found.name)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return found, usageError("--file %s is no address", found.name)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return found, fmt.Errorf("downloading the Dockerfile %s: %w", found.name, errors.Unwrap(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return found, fmt.Errorf("downloading the Dockerfile %s: the server answers %s", found.name, res.Status)
	}
	found.text, err = io.ReadAll(io.LimitReader(res.Body, dockerfile.MaxSize+1))
	return found, err
}
