package rust

import (
	"maps"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// native says what a crate needs of the build image. What its binaries load at run time is found by looking at them.
type native struct {
	// Crate is its name in Cargo.lock.
	Crate string
	// Packages are names in the stack's catalogue or of Debian packages.
	Packages []string
	// Unless are crates that take the place of the packages: they build the library from sources.
	Unless []string
	// With, when it is set, is what the crate must depend on itself; Without what it must not: features show in that.
	With, Without string
	// Not are the only users that do without the packages.
	Not []string
}

// natives are crates that compile or link against what is no crate.
func natives() []native {
	pkg := func(packages ...string) []string { return append(packages, "pkgconf") }
	clang := []string{"clang", "libclang-dev"}
	return []native{
		{Crate: "openssl-sys", Packages: pkg("libssl-dev"), Unless: []string{"openssl-src"}},
		{Crate: "openssl-src", Packages: []string{"make", "perl"}},
		{Crate: "pq-sys", Packages: pkg("libpq-dev"), Unless: []string{"pq-src"}},
		{Crate: "mysqlclient-sys", Packages: pkg("default-libmysqlclient-dev"), Unless: []string{"mysqlclient-src"}},
		{Crate: "libsqlite3-sys", Packages: pkg("libsqlite3-dev"), Without: "cc"},
		{Crate: "cmake", Packages: []string{"cmake", "g++", "make"}, Not: []string{"aws-lc-sys", "aws-lc-fips-sys"}},
		{Crate: "bindgen", Packages: clang, Not: []string{"aws-lc-sys", "aws-lc-fips-sys"}},
		{Crate: "clang-sys", Packages: clang, Not: []string{"bindgen"}},
		{Crate: "prost-build", Packages: protoc(), Unless: []string{"protoc-bin-vendored", "protobuf-src", "protox"}},
		{Crate: "protobuf-codegen", Packages: protoc(), Unless: []string{"protoc-bin-vendored", "protobuf-src"}},
		{Crate: "librocksdb-sys", Packages: []string{"g++", "make"}},
		{Crate: "rdkafka-sys", Packages: []string{"g++", "make", "zlib1g-dev"}},
		{Crate: "tikv-jemalloc-sys", Packages: []string{"make"}},
		{Crate: "jemalloc-sys", Packages: []string{"make"}},
		{Crate: "libsodium-sys", Packages: pkg("libsodium-dev")},
		{Crate: "libsodium-sys-stable", Packages: pkg("libsodium-dev", "make")},
		{Crate: "link-cplusplus", Packages: []string{"g++"}},
		{Crate: "duckdb", Packages: []string{"g++"}},
		{Crate: "libxml", Packages: append(pkg("libxml2-dev"), clang...)},
		{Crate: "magick_rust", Packages: append(pkg("libmagickwand-dev"), clang...)},
		{Crate: "gdal-sys", Packages: pkg("libgdal-dev")},
		{Crate: "geos-sys", Packages: pkg("libgeos-dev"), Unless: []string{"geos-src"}},
		{Crate: "proj-sys", Packages: append(pkg("libproj-dev"), clang...)},
		{Crate: "ffmpeg-sys-next", Packages: append(pkg("libavcodec-dev", "libavdevice-dev", "libavfilter-dev",
			"libavformat-dev", "libavutil-dev", "libswresample-dev", "libswscale-dev"), clang...)},
		{Crate: "gstreamer-sys", Packages: pkg("libgstreamer1.0-dev")},
		{Crate: "glib-sys", Packages: pkg("libglib2.0-dev")},
		{Crate: "cairo-sys-rs", Packages: pkg("libcairo2-dev")},
		{Crate: "pango-sys", Packages: pkg("libpango1.0-dev")},
		{Crate: "gdk-pixbuf-sys", Packages: pkg("libgdk-pixbuf-2.0-dev")},
		{Crate: "yeslogic-fontconfig-sys", Packages: pkg("libfontconfig-dev")},
		{Crate: "servo-fontconfig-sys", Packages: pkg("libfontconfig-dev", "libfreetype-dev")},
		{Crate: "leptonica-sys", Packages: append(pkg("libleptonica-dev"), clang...)},
		{Crate: "tesseract-sys", Packages: append(pkg("libtesseract-dev"), clang...)},
		{Crate: "libdbus-sys", Packages: pkg("libdbus-1-dev"), With: "pkg-config"},
		{Crate: "libudev-sys", Packages: pkg("libudev-dev")},
		{Crate: "alsa-sys", Packages: pkg("libasound2-dev")},
		{Crate: "libusb1-sys", Packages: pkg("libusb-1.0-0-dev"), Without: "cc"},
		{Crate: "pcsc-sys", Packages: pkg("libpcsclite-dev")},
		{Crate: "odbc-sys", Packages: pkg("unixodbc-dev")},
		{Crate: "libgssapi-sys", Packages: append(pkg("libkrb5-dev"), clang...)},
		{Crate: "pam-sys", Packages: pkg("libpam0g-dev")},
		{Crate: "libseccomp-sys", Packages: pkg("libseccomp-dev")},
		{Crate: "libsystemd-sys", Packages: pkg("libsystemd-dev")},
		{Crate: "zmq-sys", Packages: pkg("libzmq3-dev"), Unless: []string{"zeromq-src"}},
		{Crate: "hdf5-sys", Packages: pkg("libhdf5-dev")},
		{Crate: "nettle-sys", Packages: append(pkg("nettle-dev"), clang...)},
		{Crate: "gpgme-sys", Packages: pkg("libgpgme-dev")},
		{Crate: "libvips-sys", Packages: pkg("libvips-dev")},
		{Crate: "libheif-sys", Packages: pkg("libheif-dev")},
		{Crate: "libmariadb-sys", Packages: pkg("libmariadb-dev")},
	}
}

func protoc() []string { return []string{"libprotobuf-dev", "protobuf-compiler"} }

// applies tells whether the app needs what n says, given its lock.
func (n native) applies(l *lock) bool {
	if !l.has(n.Crate) || slices.ContainsFunc(n.Unless, l.has) {
		return false
	}
	if len(n.Not) > 0 && !slices.ContainsFunc(l.users(n.Crate), func(u string) bool { return !slices.Contains(n.Not, u) }) {
		return false
	}
	return slices.ContainsFunc(l.byName[n.Crate], func(p *locked) bool {
		return (n.With == "" || slices.Contains(p.Dependencies, n.With)) &&
			(n.Without == "" || !slices.Contains(p.Dependencies, n.Without))
	})
}

// nativeNeeds gives the packages that the app's crates need to be built, with facts that say why.
func nativeNeeds(p *project, l *lock) (needs []kit.Need, facts []kit.Fact) {
	seen := map[string]bool{}
	add := func(crate, source string, packages []string) {
		facts = append(facts, kit.Fact{Topic: "native", Source: source,
			Text: crate + " needs " + strings.Join(packages, ", ") + " to be built"})
		for _, name := range packages {
			if !seen[name] {
				seen[name] = true
				needs = append(needs, kit.Need{Name: name, Build: true, Version: kit.Constraint{Source: source}})
			}
		}
	}
	if l == nil {
		for _, g := range p.guessNative() {
			add(g.crate, g.source, g.packages)
		}
		return needs, facts
	}
	for _, n := range natives() {
		if n.applies(l) {
			add(n.Crate, l.byName[n.Crate][0].source(), n.Packages)
		}
	}
	return needs, facts
}

// guess is what a direct dependency probably needs, in an app without a lock.
type guess struct {
	crate, source string
	packages      []string
}

// guessNative goes by direct dependencies, when there is no lock that tells the whole set.
func (p *project) guessNative() []guess {
	ssl := []string{"libssl-dev", "pkgconf"}
	usual := map[string][]string{
		"openssl": ssl, "native-tls": ssl, "reqwest": ssl, "tokio-native-tls": ssl, "lettre": ssl, "postgres-openssl": ssl,
		"git2": ssl, "tonic-build": protoc(), "prost-build": protoc(), "tonic-prost-build": protoc(),
	}
	byFeature := map[string][]string{
		"postgres": {"libpq-dev", "pkgconf"}, "mysql": {"default-libmysqlclient-dev", "pkgconf"},
		"sqlite": {"libsqlite3-dev", "pkgconf"},
	}
	var list []guess
	for _, m := range p.members {
		tables := m.tables()
		for _, table := range slices.Sorted(maps.Keys(tables)) {
			for _, key := range slices.Sorted(maps.Keys(tables[table])) {
				crate := crateName(key, tables[table][key])
				source := at(m.file(), m.Data, table, key)
				if packages := usual[crate]; packages != nil {
					list = append(list, guess{crate, source, packages})
				}
				if crate != "diesel" && crate != "diesel-async" {
					continue
				}
				for _, f := range features(tables[table][key]) {
					if packages := byFeature[f]; packages != nil {
						list = append(list, guess{crate + " with " + f, source, packages})
					}
				}
			}
		}
	}
	return list
}

// features gives the features that a dependency asks for.
func features(v any) (list []string) {
	dep, _ := v.(map[string]any)
	all, _ := dep["features"].([]any)
	for _, f := range all {
		if name, ok := f.(string); ok {
			list = append(list, name)
		}
	}
	return list
}
