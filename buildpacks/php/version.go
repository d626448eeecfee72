package php

import (
	"encoding/json"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// toolVersion finds the version that .php-version or .tool-versions recommends, and where.
func toolVersion(app *kit.App) (version, source string) {
	if data, err := app.Read(".php-version"); err == nil {
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
				return strings.TrimSpace(line), ".php-version:" + strconv.Itoa(n)
			}
		}
	}
	if data, err := app.Read(".tool-versions"); err == nil {
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "php" {
				return fields[1], ".tool-versions:" + strconv.Itoa(n)
			}
		}
	}
	return "", ""
}

// unmarshal tells whether data is JSON for v.
func unmarshal(data []byte, v any) bool { return json.Unmarshal(data, v) == nil }
