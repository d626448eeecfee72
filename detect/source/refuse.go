package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrChanged is in the chain of the error when a file of the tree changed while it was in use.
var ErrChanged = errors.New("the file changed while it was being read; build again when nothing writes to it")

// Problem is one path of a tree that cannot be put into an image.
type Problem struct {
	Path, Reason string
}

// RefusedError says which paths of a tree cannot be put into an image.
type RefusedError struct {
	Problems []Problem // sorted by path
}

// Error names the first few paths and the way out.
func (e *RefusedError) Error() string {
	const most = 5
	var b strings.Builder
	b.WriteString("reading the source tree: ")
	for i, p := range e.Problems {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(e.Problems)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%q %s", p.Path, p.Reason)
	}
	b.WriteString(" (change it, or add it to .s2iignore)")
	return b.String()
}

func refused(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return &RefusedError{Problems: problems}
}

// maxPath keeps a path usable below any directory that a build mounts it in (PATH_MAX is 4096).
const maxPath = 4000

// badName says why an entry's path cannot be used, or "".
func badName(path, name string) string {
	switch {
	case len(path) > maxPath:
		return fmt.Sprintf("is a path of %d bytes, longer than programs can open (%d)", len(path), maxPath)
	case strings.HasPrefix(name, ".wh."):
		return "has a name that image layers use for removed files"
	case !utf8.ValidString(name):
		return "has a name that is not UTF-8"
	case strings.ContainsFunc(name, isControl):
		return "has a control character in its name"
	}
	return ""
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
