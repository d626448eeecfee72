package golang

import (
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// library is what a package of C needs to be built.
type library struct {
	// Why is what asks for it, Source where.
	Why, Source string
	// Packages are those of the stack; none when we do not know which they are.
	Packages []string
}

// pkgConfigPackages are the packages that hold what a directive "#cgo pkg-config: NAME" names.
func pkgConfigPackages() map[string]string {
	return map[string]string{
		"cairo": "libcairo2-dev", "fontconfig": "libfontconfig-dev", "freetype2": "libfreetype-dev", "gdk-pixbuf-2.0": "libgdk-pixbuf-2.0-dev", "glib-2.0": "libglib2.0-dev", "gobject-2.0": "libglib2.0-dev", "jansson": "libjansson-dev",
		"lept": "libleptonica-dev", "libavcodec": "libavcodec-dev", "libavformat": "libavformat-dev",
		"libavutil": "libavutil-dev", "libcurl": "libcurl4-openssl-dev", "libgit2": "libgit2-dev", "libheif": "libheif-dev",
		"libjpeg": "libjpeg-dev", "liblzma": "liblzma-dev", "libpcap": "libpcap-dev", "libpng": "libpng-dev",
		"libpq": "libpq-dev", "librdkafka": "librdkafka-dev", "libsodium": "libsodium-dev", "libssl": "libssl-dev",
		"libsystemd": "libsystemd-dev", "libtiff-4": "libtiff-dev", "libusb-1.0": "libusb-1.0-0-dev", "libwebp": "libwebp-dev",
		"libxml-2.0": "libxml2-dev", "libzmq": "libzmq3-dev", "libzstd": "libzstd-dev", "MagickWand": "libmagickwand-dev",
		"openssl": "libssl-dev", "opencv4": "libopencv-dev", "pango": "libpango1.0-dev", "rocksdb": "librocksdb-dev",
		"sdl2": "libsdl2-dev", "sqlite3": "libsqlite3-dev", "tesseract": "libtesseract-dev", "vips": "libvips-dev",
		"zlib": "zlib1g-dev",
	}
}

// libraries gives what the packages of C that programs are made of need: of known modules, and of files of the app
// and of vendor by their directives for cgo.
func (s *scanner) libraries(src *source, packages map[string]*pkg, programs []*pkg) []library {
	var list []library
	add := func(l library) {
		if !slices.ContainsFunc(list, func(have library) bool { return have.Why == l.Why }) {
			list = append(list, l)
		}
	}
	known := cgoModules()
	s.follow(src, packages, programs, func(p *pkg, imported string) bool {
		if m := cgoModule(imported); m != "" && len(known[m]) > 0 {
			add(library{Why: m, Source: p.Path, Packages: known[m]})
		}
		if imported == "" && p.Cgo != "" {
			for _, l := range s.directives(p) {
				add(l)
			}
		}
		return true
	})
	for _, m := range src.Modules {
		for _, r := range m.Requires {
			if name := cgoModule(r.Path); name != "" && len(known[name]) > 0 && !src.Vendored {
				add(library{Why: name, Source: r.Source, Packages: known[name]})
			}
		}
	}
	return list
}

// directives reads the directives "#cgo pkg-config:" of a package's files.
func (s *scanner) directives(p *pkg) []library {
	var list []library
	for _, file := range p.CgoFiles {
		data, err := s.app.Read(file)
		if err != nil || len(data) > maxHeader {
			continue
		}
		line := 0
		for text := range strings.Lines(string(data)) {
			line++
			for _, wanted := range pkgConfig(text) {
				l := library{Why: "#cgo pkg-config: " + wanted, Source: fmt.Sprintf("%s:%d", file, line)}
				if deb := pkgConfigPackages()[wanted]; deb != "" {
					l.Packages = []string{deb, "pkgconf"}
				}
				list = append(list, l)
			}
		}
	}
	return list
}

// pkgConfig gives the names in a directive such as "// #cgo linux pkg-config: vips glib-2.0"; flags are left out, and
// directives for other systems.
func pkgConfig(line string) []string {
	_, directive, ok := strings.Cut(line, "#cgo ")
	if !ok {
		return nil
	}
	conditions, names, ok := strings.Cut(directive, "pkg-config:")
	if !ok {
		return nil
	}
	for _, other := range []string{"windows", "darwin", "freebsd", "!linux", "static"} {
		if strings.Contains(conditions, other) {
			return nil
		}
	}
	return slices.DeleteFunc(strings.Fields(names), func(n string) bool { return strings.HasPrefix(n, "-") })
}

// unknown refuses an app whose libraries we do not know the packages of, unless the user names some.
func (a *goApp) unknown(env kit.Env) error {
	if env[kit.EnvBuildPackages] != "" {
		return nil
	}
	for _, l := range a.libraries {
		if len(l.Packages) == 0 {
			return fmt.Errorf("%s asks for %q, and it is not known which package has it: name it, and pkgconf, in %s",
				l.Source, l.Why, kit.EnvBuildPackages)
		}
	}
	return nil
}
