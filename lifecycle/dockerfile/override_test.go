package dockerfile

import (
	"fmt"
	"strings"
	"testing"

	"s2i/lifecycle/image"
)

// TestNamedContextsOverride lets a named context stand for a stage of its name, and for scratch.
func TestNamedContextsOverride(t *testing.T) {
	w := newBench(t, nil)
	files, err := OpenContext(tree(t, map[string]string{"f": "of the context"}), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	scratch, err := image.Parse("scratch")
	if err != nil {
		t.Fatal(err)
	}
	w.options.Contexts = map[string]NamedContext{"build": {Dir: files}, "nothing": {Image: scratch}}
	_, ran := w.build("FROM scratch AS build\nRUN [\"write\", \"/f\", \"of the stage\"]\n" +
		"FROM nothing\nCOPY --from=build /f /f\nRUN [\"write\", \"/g\"]\n")
	if len(ran) != 1 || !strings.HasPrefix(ran[0], "write /g") {
		t.Errorf("ran %q", ran)
	}
	var diffIDs [3]string // a stage can stand on a directory, too, and its number is that of the context
	for i, text := range []string{"FROM build\n", "FROM scratch\nCOPY --link --from=build / /\n",
		"FROM scratch AS build\nRUN [\"write\", \"/f\", \"of the stage\"]\nFROM scratch\nCOPY --link --from=0 / /\n"} {
		img, err := w.image(text)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		diffIDs[i] = fmt.Sprint(config.RootFS.DiffIDs)
	}
	if diffIDs[0] != diffIDs[1] || diffIDs[0] != diffIDs[2] {
		t.Errorf("FROM and COPY give %v", diffIDs)
	}
}

// TestReferences looks for images without a host in the store and then at Docker Hub, also those of named contexts.
func TestReferences(t *testing.T) {
	t.Parallel()
	w := newBench(t, nil)
	b := &builder{Options: Options{Store: w.store, Contexts: map[string]NamedContext{
		"base": {Image: image.Ref{Kind: image.Local, Name: "tools:1"}},
	}}}
	for text, want := range map[string]image.Ref{
		"base":                 {Kind: image.Registry, Name: "index.docker.io/library/tools:1"},
		"tools":                {Kind: image.Registry, Name: "index.docker.io/library/tools:latest"},
		"registry.example/a:1": {Kind: image.Registry, Name: "registry.example/a:1"},
		"store:tools":          {Kind: image.Local, Name: "tools"},
	} {
		if got, err := b.reference(text); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
}
