package dockerfile

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// podmanMounts makes of the options of RUN --mount that only Podman and Buildah have those that the parser knows.
// z, Z, U and relabel=… go: they are about SELinux's labels and owners of what is mounted, which are right here without
// them. A tmpfs with tmpcopyup, which begins with what the image has there, is the image's own files, mounted so that
// changes are lost.
func podmanMounts(ast *parser.Node) {
	for _, n := range ast.Children {
		if !strings.EqualFold(n.Value, "run") {
			continue
		}
		for i, flag := range n.Flags {
			if value, ok := strings.CutPrefix(flag, "--mount="); ok {
				n.Flags[i] = "--mount=" + podmanMount(value)
			}
		}
	}
}

// ownFiles stands in from= for what the stage itself has so far. No name can hold the character.
const ownFiles = "\x00own"

// podmanMount leaves alone what is not to be understood: the parser says what is wrong with it.
func podmanMount(mount string) string {
	fields, err := csv.NewReader(strings.NewReader(mount)).Read()
	if err != nil {
		return mount
	}
	kept := slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		key, _, _ := strings.Cut(field, "=")
		return slices.Contains([]string{"z", "Z", "U", "relabel"}, key)
	})
	if i := slices.Index(kept, "tmpcopyup"); i >= 0 {
		if tmpfs := slices.Index(kept, "type=tmpfs"); tmpfs >= 0 {
			kept[tmpfs], kept[i] = "type=bind", "from="+ownFiles
			kept = append(kept, "rw")
		}
	}
	if slices.Equal(kept, fields) || len(kept) == 0 {
		return mount
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(kept) // into memory
	w.Flush()
	return strings.TrimSuffix(out.String(), "\n")
}
