package php

import (
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// builtIn are extensions that are in every PHP of the stack.
func builtIn() []string {
	return strings.Fields("calendar core ctype date exif ffi fileinfo filter ftp gettext hash iconv json libxml openssl pcntl " +
		"pcre pdo phar posix random reflection session shmop sockets sodium spl standard sysvmsg sysvsem sysvshm tokenizer zlib")
}

// packageOf gives the package of the stack that has an extension, without "php-"; "" when none is known.
func packageOf(extension string) string {
	switch extension {
	case "mysqli", "mysqlnd", "pdo_mysql":
		return "mysql"
	case "pdo_pgsql", "pgsql":
		return "pgsql"
	case "pdo_sqlite", "sqlite3":
		return "sqlite3"
	case "dom", "simplexml", "xml", "xmlreader", "xmlwriter", "xsl":
		return "xml"
	case "zend-opcache", "opcache":
		return "opcache"
	}
	if slices.Contains(packaged(), extension) {
		return extension
	}
	return ""
}

// packaged are the extensions that have a package of their own name.
func packaged() []string {
	return strings.Fields("apcu bcmath bz2 curl dba enchant gd gmp igbinary imagick intl ldap mbstring memcached mongodb " +
		"msgpack readline redis soap tidy zip")
}

// polyfill gives the package that stands in for an extension that nobody has.
func polyfill(extension string) string { return "symfony/polyfill-" + extension }

// extension is an extension that the app needs, and where that stands.
type extension struct{ Name, Package, Source string }

// findExtensions collects what composer.json, composer.lock and the code say. The error names an extension that the
// app itself requires and the stack does not have.
func (d *decision) findExtensions(app *kit.App) error {
	found := map[string]extension{}
	add := func(name, source string, must bool) error {
		name = strings.ReplaceAll(strings.TrimPrefix(name, "ext-"), " ", "-")
		if slices.Contains(builtIn(), name) || d.has(polyfill(name)) {
			return nil
		}
		pkg := packageOf(name)
		if pkg == "" && must {
			return fmt.Errorf("%s requires the extension %s, which is in no package of the stack; known are %s",
				source, name, strings.Join(packaged(), ", "))
		}
		if _, there := found[pkg]; !there && pkg != "" {
			found[pkg] = extension{Name: name, Package: "php-" + pkg, Source: source}
		}
		return nil
	}
	if d.manifest != nil {
		for _, name := range sortedKeys(d.manifest.Require) {
			if strings.HasPrefix(name, "ext-") {
				if err := add(name, at(fileManifest, d.manifest.data, "require", name), true); err != nil {
					return err
				}
			}
		}
	}
	if d.lock != nil {
		for _, p := range d.lock.Packages {
			for _, name := range sortedKeys(p.Require) {
				if strings.HasPrefix(name, "ext-") {
					if err := add(name, d.lock.place(p), true); err != nil {
						return err
					}
				}
			}
		}
	}
	loaded, err := d.readSettings(app)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(loaded) {
		if err := add(name, loaded[name], true); err != nil {
			return err
		}
	}
	used, err := scan(app)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(used) {
		if err := add(name, used[name], false); err != nil {
			return err
		}
	}
	if _, there := found["opcache"]; !there {
		found["opcache"] = extension{Name: "opcache", Package: "php-opcache"}
	}
	for _, pkg := range sortedKeys(found) {
		d.extensions = append(d.extensions, found[pkg])
	}
	return nil
}

func sortedKeys[M ~map[string]V, V any](m M) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
