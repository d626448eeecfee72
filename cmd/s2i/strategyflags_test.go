package main

import (
	"slices"
	"strings"
	"testing"
)

// Every flag for Dockerfiles is refused when buildpacks are to build, but for those that choose the strategy, that the
// environment can set, and that buildpack builds know, too.
func TestFlagsOfDockerfiles(t *testing.T) {
	other := strings.Fields("file strategy check call run-ca annotation")
	for _, flag := range dockerfileFlags() {
		name := flag.Names()[0]
		if slices.Contains(other, name) == slices.Contains(strings.Fields(forDockerfiles), name) {
			t.Errorf("--%s is either for Dockerfiles only or not", name)
		}
	}
}
