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
	var diffIDs [2]string // a stage can stand on a directory, too
	for i, text := range []string{"FROM build\n", "FROM scratch\nCOPY --link --from=build / /\n"} {
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
	if diffIDs[0] != diffIDs[1] {
		t.Errorf("FROM and COPY give %v", diffIDs)
	}
}
