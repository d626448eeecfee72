package php

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// dirAppINI is where an app keeps INI files of its own.
const dirAppINI = ".php.ini.d"

var loadsExtension = regexp.MustCompile(`^\s*(?:zend_)?extension\s*=\s*"?(?:php_)?([A-Za-z0-9_]+)(?:\.so|\.dll)?"?\s*(?:;.*)?$`)

// readSettings reads the app's own INI files. The extensions that they load are given with their places: the stack
// supplies them and loads them, so the lines are left out of the settings.
func (d *decision) readSettings(app *kit.App) (map[string]string, error) {
	loaded := map[string]string{}
	files, err := fs.Glob(app.FS(), dirAppINI+"/*.ini")
	if err != nil {
		return nil, fmt.Errorf("looking for INI files: %w", err)
	}
	var all strings.Builder
	for _, file := range files {
		data, err := app.Read(file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			if m := loadsExtension.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
				loaded[strings.ToLower(m[1])] = file + ":" + strconv.Itoa(n)
				continue
			}
			all.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
		d.record.Facts = append(d.record.Facts, kit.Fact{Topic: "files", Text: "settings of the app: " + path.Base(file), Source: file})
	}
	d.settings = all.String()
	return loaded, nil
}
