package golang

import (
	"fmt"
	"slices"
	"strings"
)

// cgoModules are modules that do not work without cgo, and the packages that they need to be built besides a compiler;
// most bring their library along. That they need it shows in their sources only, which are not there when detection
// runs.
func cgoModules() map[string][]string {
	dev := func(packages ...string) []string { return append(packages, "pkgconf") }
	return map[string][]string{
		"github.com/DataDog/zstd":                    nil,
		"github.com/confluentinc/confluent-kafka-go": nil,
		"github.com/davidbyttow/govips":              dev("libvips-dev"),
		"github.com/go-gl/gl":                        dev("libgl-dev"),
		"github.com/godror/godror":                   nil,
		"github.com/google/gopacket/pcap":            dev("libpcap-dev"),
		"github.com/gopacket/gopacket/pcap":          dev("libpcap-dev"),
		"github.com/gen2brain/go-fitz":               nil,
		"github.com/h2non/bimg":                      dev("libvips-dev"),
		"github.com/cshum/vipsgen":                   dev("libvips-dev"),
		"github.com/libgit2/git2go":                  dev("libgit2-dev"),
		"github.com/linxGnu/grocksdb":                dev("librocksdb-dev"),
		"github.com/marcboeker/go-duckdb":            nil,
		"github.com/duckdb/duckdb-go":                nil,
		"github.com/mattn/go-oci8":                   nil,
		"github.com/mattn/go-sqlite3":                nil,
		"github.com/mutecomm/go-sqlcipher":           nil,
		"github.com/otiai10/gosseract":               dev("libleptonica-dev", "libtesseract-dev"),
		"github.com/pebbe/zmq4":                      dev("libzmq3-dev"),
		"github.com/tecbot/gorocksdb":                dev("librocksdb-dev"),
		"github.com/valyala/gozstd":                  nil,
		"github.com/veandco/go-sdl2":                 dev("libsdl2-dev"),
		"gocv.io/x/gocv":                             dev("libopencv-dev"),
		"gopkg.in/gographics/imagick.v3":             dev("libmagickwand-dev"),
		"gopkg.in/gographics/imagick.v2":             dev("libmagickwand-6.q16-dev"),
	}
}

// within tells that path is module or below it, with any major version.
func within(path, module string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

// findCgo follows the imports of programs and gives where cgo is needed, with the reason; "" when nowhere.
func (s *scanner) findCgo(src *source, packages map[string]*pkg, programs []*pkg) string {
	reason := ""
	s.follow(src, packages, programs, func(p *pkg, imported string) bool {
		if p.Cgo != "" && imported == "" {
			reason = p.Cgo + ` imports "C"`
		} else if m := cgoModule(imported); m != "" {
			reason = fmt.Sprintf("%s imports %s", p.Path, m)
		}
		return reason == ""
	})
	if reason != "" || src.Vendored {
		return reason
	}
	return indirectCgo(src)
}

// follow visits the packages that programs are made of, nearest first: each package of the app or of vendor once with
// imported "", and each import that is neither. It ends when visit gives false.
func (s *scanner) follow(src *source, packages map[string]*pkg, programs []*pkg, visit func(p *pkg, imported string) bool) {
	seen := map[string]bool{}
	queue := slices.Clone(programs)
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if !visit(p, "") {
			return
		}
		for _, imported := range p.Imports {
			if seen[imported] {
				continue
			}
			seen[imported] = true
			if next := s.resolve(src, packages, imported); next != nil {
				queue = append(queue, next)
			} else if !visit(p, imported) {
				return
			}
		}
	}
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
	for m := range cgoModules() {
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
