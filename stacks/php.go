package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Debian's PHP packages bring their settings as templates, which their scripts copy to /etc/php and enable for every
// interface of PHP by links.
var (
	phpModule   = regexp.MustCompile(`^usr/share/php([0-9]\.[0-9])-[^/]+/[^/]+/([^/]+)\.ini$`)
	phpSettings = regexp.MustCompile(`^usr/lib/php/([0-9]\.[0-9])/php\.ini-production(\.cli)?$`)
	phpPriority = regexp.MustCompile(`(?m)^; *priority=([0-9]{1,3})\s*$`)
)

// maxINI bounds a file of settings.
const maxINI = 1 << 20

// phpFile writes what PHP's scripts make of a file, and tells whether it is such a one.
func (m *merger) phpFile(name string, r io.Reader, pkg string) (bool, error) {
	module, settings := phpModule.FindStringSubmatch(name), phpSettings.FindStringSubmatch(name)
	if module == nil && settings == nil {
		return false, nil
	}
	body, err := io.ReadAll(io.LimitReader(r, maxINI+1))
	if err == nil && len(body) > maxINI {
		err = errors.New("it is too large")
	}
	if err != nil {
		return true, fmt.Errorf("reading %s of Debian package %s: %w", name, pkg, err)
	}
	if settings != nil {
		sapi := "fpm"
		if settings[2] != "" {
			sapi = strings.TrimPrefix(settings[2], ".")
		}
		return true, m.t.write(path.Join("etc/php", settings[1], sapi, "php.ini"), body, pkg)
	}
	return true, m.phpModule(module[1], module[2], body, pkg)
}

// phpModule enables an extension.
func (m *merger) phpModule(ver, name string, body []byte, pkg string) error {
	available := path.Join("etc/php", ver, "mods-available", name+".ini")
	if err := m.t.write(available, body, pkg); err != nil {
		return err
	}
	priority := "20"
	if found := phpPriority.FindSubmatch(bytes.TrimPrefix(body, []byte("\ufeff"))); found != nil {
		priority = string(found[1])
	}
	for _, sapi := range []string{"cli", "fpm"} {
		link := path.Join("etc/php", ver, sapi, "conf.d", priority+"-"+name+".ini")
		if err := m.t.symlink(link, "/"+available, pkg); err != nil {
			return err
		}
	}
	return nil
}
