package dockerfile

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/image"
)

// reference says where an image is that a Dockerfile names.
func (b *builder) reference(text string) (image.Ref, error) {
	if c, ok := b.context(text); ok {
		if c.Dir != nil {
			return image.Ref{}, fmt.Errorf("the build context %s is a directory, and an image is needed here", text)
		}
		return b.localOrHub(c.Image)
	}
	ref, err := image.Parse(text)
	if err != nil || strings.HasPrefix(text, "store:") {
		return ref, err
	}
	return b.localOrHub(ref)
}

// localOrHub takes a name without a host for Docker Hub's unless the store has it.
func (b *builder) localOrHub(ref image.Ref) (image.Ref, error) {
	if ref.Kind != image.Local {
		return ref, nil
	}
	if _, err := b.Store.Resolve(ref.Name); err == nil && !b.Pull {
		return ref, nil
	}
	hub, err := name.ParseReference(ref.Name, name.WeakValidation)
	if err != nil {
		return ref, fmt.Errorf("reading the image name %q: %w", ref.Name, err)
	}
	return image.Ref{Kind: image.Registry, Name: hub.Name()}, nil
}

// context finds a named context. That "alpine" and "alpine:latest" are one name holds for contexts, too.
func (b *builder) context(text string) (NamedContext, bool) {
	if c, ok := b.Contexts[text]; ok {
		return c, true
	}
	c, ok := b.Contexts[strings.TrimSuffix(text, ":latest")]
	if !ok && !strings.ContainsAny(text, ":@") {
		c, ok = b.Contexts[text+":latest"]
	}
	return c, ok
}

// scratch tells whether a name stands for the image without anything, by itself or as a named context.
func (b *builder) scratch(name string) bool {
	c, ok := b.context(name)
	if !ok {
		return name == "scratch"
	}
	return c.Dir == nil && c.Opened == nil && c.Image == image.Ref{Kind: image.Local, Name: "scratch"}
}

// override makes stages that have the name of a named context what the context is, also for those who know them by their
// number. By the name the context is found without the stage.
func (b *builder) override() {
	for i := range b.File.Stages {
		s := &b.File.Stages[i]
		if s.Name == "" {
			continue
		}
		if _, ok := b.context(s.Name); ok {
			s.BaseName, s.Name, s.Commands = s.Name, "", nil
		}
	}
}

func layersOf(l ...v1.Layer) []v1.Layer { return l }
