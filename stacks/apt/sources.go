package apt

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"s2i/stacks/deb"
)

// Entry is one line of the machine's apt sources.
type Entry struct {
	URI        string
	Suites     []string
	Components []string
}

// maxSources bounds one file of sources.
const maxSources = 1 << 20

// SystemSources reads sources.list and sources.list.d of an apt configuration directory (/etc/apt), in both forms
// (sources.list(5)). Files that cannot be read or understood are passed over: they are somebody else's.
func SystemSources(etcApt fs.FS) []Entry {
	files := []string{"sources.list"}
	if list, err := fs.Glob(etcApt, "sources.list.d/*"); err == nil {
		files = append(files, list...)
	}
	var all []Entry
	for _, name := range files {
		b, err := readSmall(etcApt, name)
		if err != nil {
			continue
		}
		switch path.Ext(name) {
		case ".list":
			all = append(all, parseOneLine(b)...)
		case ".sources":
			all = append(all, parseDeb822(b)...)
		}
	}
	return all
}

func readSmall(fsys fs.FS, name string) (string, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSources {
		return "", fmt.Errorf("reading %s: %w", name, errors.New("too large"))
	}
	b, err := fs.ReadFile(fsys, name)
	return string(b), err
}

// parseOneLine reads "deb [option=value …] uri suite [component …]" lines.
func parseOneLine(text string) []Entry {
	var list []Entry
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, after, ok := strings.Cut(rest, "]")
			if !ok {
				continue
			}
			rest = after
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			list = append(list, Entry{URI: f[0], Suites: f[1:2], Components: f[2:]})
		}
	}
	return list
}

// parseDeb822 reads the paragraphs of a .sources file.
func parseDeb822(text string) []Entry {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	text = strings.Join(kept, "")
	var list []Entry
	for {
		para, rest, err := deb.NextParagraph(text, nil)
		if err != nil || len(para) == 0 {
			return list
		}
		text = rest
		types := strings.Fields(para.Get("Types"))
		if !slices.Contains(types, "deb") || strings.EqualFold(para.Get("Enabled"), "no") {
			continue
		}
		for _, uri := range strings.Fields(para.Get("URIs")) {
			list = append(list, Entry{URI: uri, Suites: strings.Fields(para.Get("Suites")),
				Components: strings.Fields(para.Get("Components"))})
		}
	}
}

// DebianBases picks from the sources the base addresses that look like mirrors of an archive ("debian" or
// "debian-security"), whatever suite they are used for. They are only candidates: what is fetched from one is
// verified by signature and digest.
func DebianBases(sources []Entry, archive string) []string {
	var exact, likely []string
	for _, e := range sources {
		u, err := url.Parse(e.URI)
		if err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) {
			continue
		}
		base := strings.TrimRight(e.URI, "/")
		security := slices.ContainsFunc(e.Suites, isSecurity) || strings.HasSuffix(base, "-security")
		if security != (archive == "debian-security") || !slices.Contains(e.Components, "main") {
			continue
		}
		switch {
		case path.Base(u.Path) == archive:
			exact = append(exact, base)
		case slices.ContainsFunc(e.Suites, isDebian):
			likely = append(likely, base)
		}
	}
	all := append(exact, likely...)
	var unique []string
	for _, base := range all {
		if !slices.Contains(unique, base) {
			unique = append(unique, base)
		}
	}
	return unique
}

func isSecurity(suite string) bool {
	return strings.HasSuffix(suite, "-security") || strings.HasSuffix(suite, "/updates")
}

// isDebian knows the names of Debian's suites, to tell its mirrors from other vendors' repositories.
func isDebian(suite string) bool {
	name, _, _ := strings.Cut(strings.TrimSuffix(suite, "/updates"), "-")
	return slices.Contains([]string{"stable", "oldstable", "testing", "unstable", "sid", "bullseye", "bookworm",
		"trixie", "forky", "duke"}, name)
}
