package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"s2i"
	"s2i/buildpacks"
	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
	"s2i/stacks"
)

// builderFile is builder.toml.
type builderFile struct {
	Stack stackNames      `toml:"stack"`
	Order lifecycle.Order `toml:"order"`
	// Extensions are image extensions, as --extension names them, directories relative to the file; OrderExtensions is
	// their order, by default one group of all.
	Extensions []struct {
		URI string `toml:"uri"`
	} `toml:"extensions"`
	OrderExtensions lifecycle.Order `toml:"order-extensions"`
}

// stackNames is one stack, or several in the order of preference.
type stackNames []string

// UnmarshalTOML reads a string or a list of strings.
func (n *stackNames) UnmarshalTOML(value any) error {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, one := range list {
		name, ok := one.(string)
		if !ok || name == "" {
			return errors.New("stack is the name of a stack, or a list of names")
		}
		*n = append(*n, name)
	}
	return nil
}

// readBuilder reads the builder that --builder names, or the built-in one.
func readBuilder(c *cli.Context) (builderFile, error) {
	text, name := s2i.BuilderTOML, "the built-in builder.toml"
	if file := c.String("builder"); file != "" {
		name = file
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return builderFile{}, usageError("reading --builder: %w", err)
		}
	}
	var b builderFile
	md, err := toml.Decode(string(text), &b)
	if err != nil {
		return b, usageError("reading %s: %w", name, err)
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return b, usageError("reading %s: %s is not known", name, unknown[0])
	}
	if c.IsSet("stack") {
		b.Stack = stackNames{c.String("stack")}
	}
	if len(b.Stack) == 0 {
		return b, usageError("reading %s: it names no stack", name)
	}
	for i := range b.Extensions {
		if uri := &b.Extensions[i].URI; !filepath.IsAbs(*uri) && !strings.Contains(*uri, ":") {
			*uri = filepath.Join(filepath.Dir(name), *uri)
		}
	}
	return b, nil
}

// builder puts together what builds: the built-in buildpacks, those the user names, and the stack.
func builder(ctx context.Context, c *cli.Context, t *tools) (create.Builder, create.Stack, error) {
	file, err := readBuilder(c)
	if err != nil {
		return create.Builder{}, nil, err
	}
	b := create.Builder{Order: file.Order, Install: buildpacks.Install}
	if b.Buildpacks, err = builtIn(); err != nil {
		return b, nil, err
	}
	if named := c.StringSlice("buildpack"); len(named) > 0 {
		if err := useBuildpacks(ctx, c, t, &b, named); err != nil {
			return b, nil, err
		}
	}
	if err := useExtensions(ctx, c, t, &b, file); err != nil {
		return b, nil, err
	}
	if b.Binary, err = os.Executable(); err != nil {
		return b, nil, fmt.Errorf("finding this program: %w", err)
	}
	if b.Identity, err = identity(t.store, b.Binary); err != nil {
		return b, nil, err
	}
	stack, err := newStack(ctx, c, t, file.Stack)
	return b, stack, err
}

// builtIn gives the buildpacks of this program.
func builtIn() ([]create.Buildpack, error) {
	var all []create.Buildpack
	for _, b := range buildpacks.All() {
		d, err := lifecycle.ParseBuildpack(b.Descriptor)
		if err != nil {
			return nil, fmt.Errorf("reading the descriptor of %s: %w", b.ID, err)
		}
		all = append(all, create.Buildpack{
			Buildpack: d,
			Detect: func(ctx context.Context, app, platform string, out io.Writer) (lifecycle.BuildPlan, bool, error) {
				result, err := buildpacks.Detect(ctx, b.ID, app, platform, out)
				return buildpacks.Plan(result), result.Pass, err
			},
		})
	}
	return all, nil
}

// useBuildpacks replaces the order by one group of the buildpacks that the user names, in that order.
func useBuildpacks(ctx context.Context, c *cli.Context, t *tools, b *create.Builder, named []string) error {
	var group lifecycle.Group
	for _, name := range named {
		bp, err := oneBuildpack(b, name, func(name string) ([]lifecycle.Buildpack, error) { return modules(ctx, c, t, name) })
		if err != nil {
			return err
		}
		group.Elements = append(group.Elements, bp)
	}
	b.Order = lifecycle.Order{group}
	return nil
}

// useExtensions adds the image extensions of the builder, or those that the user names instead.
func useExtensions(ctx context.Context, c *cli.Context, t *tools, b *create.Builder, file builderFile) error {
	b.Extensions = file.OrderExtensions
	named := c.StringSlice("extension")
	if len(named) > 0 {
		b.Extensions = nil
	} else {
		for _, x := range file.Extensions {
			named = append(named, x.URI)
		}
	}
	var group lifecycle.Group
	for _, name := range named {
		found, err := modules(ctx, c, t, name)
		if err != nil {
			return usageError("opening --extension %s: %w", name, err)
		}
		if !found[0].IsExtension() {
			return usageError("--extension %s is a buildpack: name it with --buildpack", name)
		}
		group.Elements = append(group.Elements, addModules(b, found))
	}
	if len(b.Extensions) == 0 && len(named) > 0 {
		b.Extensions = lifecycle.Order{group}
	}
	return nil
}

// oneBuildpack finds a built-in by ID, or opens a third party's by its place.
func oneBuildpack(b *create.Builder, name string, open func(string) ([]lifecycle.Buildpack, error)) (lifecycle.GroupElement, error) {
	for _, have := range b.Buildpacks {
		if id := strings.TrimPrefix(name, "urn:cnb:builder:"); id == have.Info.ID || id == have.Element().String() {
			return have.Element(), nil
		}
	}
	found, err := open(name)
	if err != nil {
		return lifecycle.GroupElement{}, usageError("--buildpack %s is neither a built-in buildpack nor something with one: %w", name, err)
	}
	if found[0].IsExtension() {
		return lifecycle.GroupElement{}, usageError("--buildpack %s is an image extension: name it with --extension", name)
	}
	return addModules(b, found), nil
}

// addModules adds to a builder what it does not have yet, and gives the name of the first.
func addModules(b *create.Builder, found []lifecycle.Buildpack) lifecycle.GroupElement {
	for _, d := range found {
		if !slices.ContainsFunc(b.Buildpacks, func(have create.Buildpack) bool { return have.Element() == d.Element() }) {
			b.Buildpacks = append(b.Buildpacks, create.Buildpack{Buildpack: d})
		}
	}
	return found[0].Element()
}

// identity is the digest of this program: everything that builds is in it. It is remembered by what stat tells, so
// that a build with nothing to do does not read the program.
func identity(st *store.Store, binary string) (string, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	const kind = "program"
	key := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d %d", binary, info.Size(), info.ModTime().UnixNano())))
	var known string
	if err := st.Record(kind, key, &known); err == nil {
		return known, nil
	}
	f, err := os.Open(binary)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return sum, st.SetRecord(kind, key, sum)
}

// newSandbox makes the sandbox that the flags ask for. What is asked of it and cannot be had is an error before any
// work is done. grace is the time that a process has to end after it was asked to; 0 is a moment.
func newSandbox(c *cli.Context, t *tools, grace time.Duration) (sandbox.Sandbox, error) {
	l, err := limits(c)
	if err != nil {
		return nil, err
	}
	switch isolation := c.String("isolation"); isolation {
	case "auto", "oci":
		dir := filepath.Join(t.store.Dir(), "sandbox")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making a place for sandboxes: %w", err)
		}
		box, err := sandbox.NewOCI(sandbox.Options{Runtime: c.String("runtime"), TempDir: dir, Grace: grace})
		if err != nil {
			return nil, err
		}
		return box, box.CheckLimits(l)
	case "direct":
		return sandbox.Direct{Grace: grace}, nil
	default:
		return nil, usageError("--isolation %s is none of auto, oci, direct and, for Dockerfiles, in-place", isolation)
	}
}

// dockerfileSandbox is newSandbox for Dockerfiles. Without a choice, they are built by what works here, root of a container
// without sandboxes included: in place, when the container has nothing but s2i, and else with the image as the root
// directory and all else in common with s2i. A build that runs no command needs none.
func dockerfileSandbox(ctx context.Context, c *cli.Context, t *tools) (sandbox.Sandbox, error) {
	isolation := c.String("isolation")
	may, empty := sandbox.MayRunInPlace()
	if isolation == "in-place" || isolation == "auto" && may && empty {
		box, err := newInPlace(c, t)
		if err == nil || isolation == "in-place" {
			return sandbox.Direct{InPlace: box}, err
		}
		progress.Note(ctx, "%v", err)
	}
	if isolation == "auto" && sandbox.InContainer() {
		progress.Note(ctx, "this container lets nobody make a sandbox: commands run in the image's files, without /proc, and share "+
			"all else with it (--isolation in-place gives them /proc)")
		return sandbox.Direct{}, nil
	}
	box, err := newSandbox(c, t, 0)
	if errors.Is(err, sandbox.ErrNoRuntime) {
		return sandbox.Unavailable{Reason: err}, nil
	}
	return box, err
}

// passedOn are the variables of this process that every buildpack gets: where to fetch from, and through what. They
// hold addresses; those with credentials in them are left out by operatorEnv.
var passedOn = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOPRIVATE", "GONOPROXY",
}

// operatorEnv is the environment that says where buildpacks fetch from: this process's variables and, where they say
// nothing, the configuration of the machine's own tools.
func operatorEnv(ctx context.Context) map[string]string {
	env := map[string]string{
		"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", "NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt",
	}
	set := func(name, value string) {
		switch {
		case value == "":
		case hasCredentials(value):
			progress.Warn(ctx, "%s is kept from the build because it holds a password; give that as a file, by --secret or --bindings", name)
		default:
			env[name] = value
		}
	}
	for _, name := range passedOn {
		set(name, os.Getenv(name))
	}
	for name, value := range stacks.ToolEnv(ctx, os.Getenv) {
		set(name, value)
	}
	return env
}

// hasCredentials tells whether any address of a list (GOPROXY separates them by "," and "|") carries a user or a
// password: those go in as a secret or a binding, never as environment.
func hasCredentials(value string) bool {
	for address := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '|' }) {
		_, rest, found := strings.Cut(address, "://")
		if !found {
			rest = address // proxies may be written without a scheme
		}
		if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
			return true
		}
	}
	return false
}
