package php

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// How much of an app's own code is looked at.
const (
	maxScanned  = 2000
	maxCodeFile = 1 << 20
	maxCode     = 16 << 20
)

// sign is code that needs an extension.
type sign struct {
	extension string
	code      *regexp.Regexp
}

func signs() []sign {
	var all []sign
	for extension, code := range map[string]string{
		"curl":      `\bcurl_(init|multi_init)\s*\(`,
		"mbstring":  `\bmb_[a-z_]+\s*\(`,
		"mysqli":    `\bmysqli_connect\s*\(|\bnew\s+\\?mysqli\b`,
		"pdo_mysql": `["']mysql:`,
		"pdo_pgsql": `["']pgsql:|\bpg_connect\s*\(`,
		"sqlite3":   `["']sqlite:|\bnew\s+\\?SQLite3\b`,
		"gd":        `\bimagecreate[a-z0-9]*\s*\(`,
		"imagick":   `\bnew\s+\\?Imagick\b`,
		"intl":      `\b(NumberFormatter|IntlDateFormatter|MessageFormatter|Collator)\b`,
		"bcmath":    `\bbc(add|sub|mul|div|mod|pow|comp|scale)\s*\(`,
		"gmp":       `\bgmp_[a-z_]+\s*\(`,
		"soap":      `\bnew\s+\\?Soap(Client|Server)\b`,
		"xml":       `\bsimplexml_load_[a-z]+\s*\(|\bnew\s+\\?(DOMDocument|SimpleXMLElement|XMLReader|XMLWriter)\b`,
		"zip":       `\bnew\s+\\?ZipArchive\b`,
		"redis":     `\bnew\s+\\?Redis\b`,
		"memcached": `\bnew\s+\\?Memcached\b`,
		"apcu":      `\bapcu_[a-z_]+\s*\(`,
		"ldap":      `\bldap_connect\s*\(`,
	} {
		all = append(all, sign{extension, regexp.MustCompile(code)})
	}
	return all
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// scan finds the extensions that the app's own code uses, with the places.
func scan(app *kit.App) (map[string]string, error) {
	found, looked, size := map[string]string{}, 0, 0
	open := signs()
	err := fs.WalkDir(app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch {
			case name == "vendor", d.Name() == "node_modules", strings.HasPrefix(d.Name(), ".") && name != ".",
				d.Name() == "tests", d.Name() == "storage":
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".php" || !d.Type().IsRegular() {
			return nil
		}
		if looked++; looked > maxScanned || size > maxCode || len(open) == 0 {
			return errEnough
		}
		code, err := head(app, name)
		if err != nil {
			return err
		}
		size += len(code)
		var rest []sign
		for _, s := range open {
			if i := s.code.FindIndex(code); i != nil {
				found[s.extension] = name + ":" + strconv.Itoa(kit.Line(code, i[0]))
			} else {
				rest = append(rest, s)
			}
		}
		open = rest
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("looking for extensions: %w", err)
	}
	return found, nil
}

func head(app *kit.App, name string) ([]byte, error) {
	f, err := app.FS().Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCodeFile))
}
