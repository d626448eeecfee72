package check

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// around is how many lines an excerpt shows before and after an instruction; longest is the most lines of one that
// are shown.
const around, longest = 2, 20

// Write writes the findings for people: where, the rule, what is wrong, and the lines of the Dockerfile.
func (r *Report) Write(w io.Writer) error {
	var out bytes.Buffer
	lines := strings.Split(strings.TrimSuffix(string(r.text), "\n"), "\n")
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "%s:%d: %s: %s\n", r.name, f.Line(), f.Rule, f.Detail)
		if f.Description != f.Detail {
			fmt.Fprintf(&out, "  %s\n", f.Description)
		}
		if f.URL != "" {
			fmt.Fprintf(&out, "  %s\n", f.URL)
		}
		f.excerpt(&out, lines)
		fmt.Fprintln(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// excerpt writes the lines around an instruction, with a mark at its own.
func (f Finding) excerpt(w *bytes.Buffer, lines []string) {
	if len(f.Where) == 0 {
		return
	}
	first, last := f.Where[0].Start.Line, f.Where[len(f.Where)-1].End.Line
	to := min(last+around, len(lines), first+longest)
	for n := max(1, first-around); n <= to; n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		w.WriteString(strings.TrimRight(fmt.Sprintf("%6d | %s %s", n, mark, lines[n-1]), " \t\r") + "\n")
	}
}
