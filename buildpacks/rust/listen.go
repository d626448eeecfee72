package rust

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// loopback finds an address that only the same machine reaches, on a line that is about listening.
var (
	loopback  = regexp.MustCompile(`"(127\.0\.0\.1|localhost)(:[0-9]+)?"|\[\s*127,\s*0,\s*0,\s*1\s*\]|Ipv4Addr::LOCALHOST`)
	listening = regexp.MustCompile(`(?i)bind|listen|addr|serve|\brun\(`)
)

// maxScanned bounds the source files that are looked at for how the program listens.
const maxScanned = 400

// listening says what can be seen of how the default program listens: where it does not honour PORT, or cannot be
// reached. It is a hint for the reader, nothing is decided by it.
func (d *decision) listening() (facts []kit.Fact, warnings []string) {
	b := d.bins[0]
	if b.rocket() {
		return []kit.Fact{{Topic: "port", Text: "ROCKET_PORT is PORT, ROCKET_ADDRESS is 0.0.0.0"}}, nil
	}
	port, scanned := "", 0
	walk := func(file string, e fs.DirEntry, err error) error {
		if err != nil || scanned >= maxScanned {
			return fs.SkipAll
		}
		if e.IsDir() || path.Ext(file) != ".rs" {
			return nil
		}
		scanned++
		line := 0
		for text := range strings.Lines(readSource(d.app, file)) {
			line++
			if strings.HasPrefix(strings.TrimSpace(text), "//") {
				continue
			}
			if port == "" && strings.Contains(text, `"PORT"`) {
				port = fmt.Sprintf("%s:%d", file, line)
			}
			if len(warnings) < 3 && listening.MatchString(text) && loopback.MatchString(text) {
				warnings = append(warnings, fmt.Sprintf("%s:%d seems to listen on the loopback address, which nobody "+
					"outside the container reaches: listen on 0.0.0.0", file, line))
			}
		}
		return nil
	}
	if err := fs.WalkDir(d.app.FS(), path.Join(b.Crate.Dir, "src"), walk); err != nil {
		return nil, nil
	}
	if port != "" {
		return []kit.Fact{{Topic: "port", Text: "PORT is read", Source: port}}, warnings
	}
	return []kit.Fact{{Topic: "port", Text: "no source file reads PORT: the program listens where it likes"}}, warnings
}
