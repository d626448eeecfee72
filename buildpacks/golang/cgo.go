package golang

import (
	"fmt"
	"slices"
	"strings"
)

// cgoModules are modules that do not work without cgo. That they need it shows in their sources only, which are not
// there when detection runs.
func cgoModules() []string {
	return []string{
		"github.com/DataDog/zstd",
		"github.com/confluentinc/confluent-kafka-go",
		"github.com/davidbyttow/govips",
		"github.com/go-gl/gl",
		"github.com/godror/godror",
		"github.com/google/gopacket/pcap",
		"github.com/gen2brain/go-fitz",
		"github.com/h2non/bimg",
		"github.com/libgit2/git2go",
		"github.com/linxGnu/grocksdb",
		"github.com/marcboeker/go-duckdb",
		"github.com/duckdb/duckdb-go",
		"github.com/mattn/go-oci8",
		"github.com/mattn/go-sqlite3",
		"github.com/mutecomm/go-sqlcipher",
		"github.com/otiai10/gosseract",
		"github.com/pebbe/zmq4",
		"github.com/tecbot/gorocksdb",
		"github.com/valyala/gozstd",
		"github.com/veandco/go-sdl2",
		"gocv.io/x/gocv",
	}
}

// within tells that path is module or below it, with any major version.
func within(path, module string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

// findCgo follows the imports of programs and gives where cgo is needed, with the reason; "" when nowhere.
func (s *scanner) findCgo(src *source, packages map[string]*pkg, programs []*pkg) string {
	seen := map[string]bool{}
	queue := slices.Clone(programs)
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if p.Cgo != "" {
			return p.Cgo + ` imports "C"`
		}
		for _, imported := range p.Imports {
			if seen[imported] {
				continue
			}
			seen[imported] = true
			if next := s.resolve(src, packages, imported); next != nil {
				queue = append(queue, next)
				continue
			}
			if m := cgoModule(imported); m != "" {
				return fmt.Sprintf("%s imports %s", p.Path, m)
			}
		}
	}
	if src.Vendored {
		return ""
	}
	return indirectCgo(src)
}

// resolve finds the package that an import path names in the main modules or in vendor; nil for any other.
func (s *scanner) resolve(src *source, packages map[string]*pkg, imported string) *pkg {
	if p := packages[imported]; p != nil {
		return p
	}
	if !src.Vendored || !strings.Contains(imported, ".") {
		return nil
	}
	dir := "vendor/" + imported
	if !s.app.HasDir(dir) {
		return nil
	}
	p, err := s.dir(dir, imported)
	if err != nil {
		return nil
	}
	return p
}

func cgoModule(imported string) string {
	for _, m := range cgoModules() {
		if within(imported, m) {
			return m
		}
	}
	return ""
}

// indirectCgo looks for requirements that only dependencies import. go.mod lists exactly the modules that packages of
// the app need, directly or not; a direct one has been found in the imports, or is for tests only.
func indirectCgo(src *source) string {
	for _, m := range src.Modules {
		for _, r := range m.Requires {
			if name := cgoModule(r.Path); r.Indirect && name != "" {
				return fmt.Sprintf("%s requires %s", r.Source, name)
			}
		}
	}
	return ""
}
