package stacks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// MissingError says which packages an image would have to contain, because they cannot be added to it: Debian packages
// belong to the system they were made for.
type MissingError struct {
	Image    string // "build" or "run"
	Packages []string
}

// Error names the packages and the way out.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the %s image does not contain %s, which cannot be added to an image of another make: use one that "+
		"has it, such as what `s2i stack build --image %s %s` makes, or leave the choice of images to the stack",
		e.Image, strings.Join(e.Packages, ", "), e.Image, strings.Join(e.Packages, " "))
}

// ComposeOnto adds a resolution's packages to a build and a run image that somebody else made, in place of the stack's
// own bases. Toolchains and runtimes from npm and Go proxies run on any base with a C library and are added as layers;
// Debian packages must be in the images already, as the label lifecycle.LabelPackages says, otherwise the error is a
// *MissingError.
func (s *Stack) ComposeOnto(ctx context.Context, res *Resolution, build, run v1.Image) (v1.Image, v1.Image, error) {
	var err error
	if build, err = s.onto(ctx, build, imageBuild, res.Build); err != nil {
		return nil, nil, err
	}
	if run, err = s.onto(ctx, run, imageRun, res.Run); err != nil {
		return nil, nil, err
	}
	return build, run, nil
}

// onto adds the parts that an image lacks.
func (s *Stack) onto(ctx context.Context, base v1.Image, which string, parts []Part) (v1.Image, error) {
	parts, err := s.lacking(base, which, parts)
	if err != nil || len(parts) == 0 {
		return base, err
	}
	manifest, err := base.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading the %s image: %w", which, err)
	}
	need, media := store.Blob, types.OCILayer
	if which == imageBuild {
		need = store.Tree
	}
	if manifest.MediaType == types.DockerManifestSchema2 {
		media = types.DockerLayer
	}
	var adds []mutate.Addendum
	for _, p := range parts {
		layer, err := s.layer(ctx, s.key(p), p, need)
		if err != nil {
			return nil, err
		}
		adds = append(adds, mutate.Addendum{Layer: layer, MediaType: media, History: v1.History{
			Created: v1.Time{Time: archive.Epoch}, CreatedBy: "s2i stack " + s.Config.Name + ": " + p.title(),
		}})
	}
	img, err := mutate.Append(base, adds...)
	if err != nil || which != imageBuild {
		return img, err
	}
	return s.withBuildEnv(img, parts)
}

// lacking gives the parts, without the base, that an image does not contain yet and that can be added to it.
func (s *Stack) lacking(base v1.Image, which string, parts []Part) ([]Part, error) {
	config, err := base.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the %s image: %w", which, err)
	}
	contents, err := ReadContents(config.Config.Labels)
	if err != nil {
		return nil, err
	}
	has := func(name string) bool {
		return contents != nil && slices.ContainsFunc(contents.Packages, func(c Content) bool { return c.Name == name })
	}
	var add []Part
	var missing []string
	for _, p := range parts {
		switch {
		case p.Set != "" || has(p.Package):
		case p.Provider == "":
			missing = append(missing, p.Package)
		default:
			add = append(add, p)
		}
	}
	if len(missing) > 0 {
		return nil, &MissingError{Image: which, Packages: missing}
	}
	return add, nil
}

// withBuildEnv sets what the added packages need: their directories in front of PATH, and their variables.
func (s *Stack) withBuildEnv(img v1.Image, parts []Part) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the build image: %w", err)
	}
	config = config.DeepCopy()
	vars, paths := map[string]string{}, []string(nil)
	for _, p := range parts {
		if c, ok := s.Config.Packages[p.Package]; ok && p.Name == p.Package {
			paths = append(paths, c.BuildPath...)
			maps.Copy(vars, c.BuildEnv)
		}
	}
	old := basePath
	env := slices.DeleteFunc(slices.Clone(config.Config.Env), func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		if name == "PATH" {
			old = value
		}
		_, replaced := vars[name]
		return name == "PATH" || replaced
	})
	env = append(env, "PATH="+strings.Join(append(paths, old), ":"))
	for _, name := range sortedKeys(vars) {
		env = append(env, name+"="+vars[name])
	}
	config.Config.Env = env
	return mutate.ConfigFile(img, config)
}
