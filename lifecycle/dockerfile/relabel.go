package dockerfile

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dropRelabels takes the options z, Z, U and relabel=… out of RUN --mount. Podman's users write them: they are about
// SELinux's labels and owners of what is mounted, which are right here without them.
func dropRelabels(ast *parser.Node) {
	for _, n := range ast.Children {
		if !strings.EqualFold(n.Value, "run") {
			continue
		}
		for i, flag := range n.Flags {
			if value, ok := strings.CutPrefix(flag, "--mount="); ok {
				n.Flags[i] = "--mount=" + dropRelabel(value)
			}
		}
	}
}

// dropRelabel leaves alone what is not to be understood: the parser says what is wrong with it.
func dropRelabel(mount string) string {
	fields, err := csv.NewReader(strings.NewReader(mount)).Read()
	if err != nil {
		return mount
	}
	kept := slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		key, _, _ := strings.Cut(field, "=")
		return slices.Contains([]string{"z", "Z", "U", "relabel"}, key)
	})
	if len(kept) == len(fields) || len(kept) == 0 {
		return mount
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(kept) // into memory
	w.Flush()
	return strings.TrimSuffix(out.String(), "\n")
}
