package deno

import (
	"encoding/json"
	"errors"
	"fmt"

	"s2i/buildpacks/kit"
)

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 4 << 20

// parseJSONC parses JSON with comments and trailing commas.
func parseJSONC(name string, data []byte, v any) error {
	if len(data) > maxConfig {
		return fmt.Errorf("parsing %s: %w (more than %d MiB)", name, kit.ErrTooLarge, maxConfig>>20)
	}
	plain := plainJSON(data)
	err := json.Unmarshal(plain, v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("parsing %s:%d: %w", name, kit.Line(plain, int(syntax.Offset)), err)
	}
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	return nil
}

// plainJSON blanks comments and trailing commas; lines and offsets stay as they are.
func plainJSON(data []byte) []byte {
	out := append([]byte(nil), data...)
	comma := -1 // a comma after which nothing has come yet
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			comma = -1
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
		case c == '/' && i+1 < len(out) && out[i+1] == '/':
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		case c == '/' && i+1 < len(out) && out[i+1] == '*':
			i = blankComment(out, i)
		case c == ',':
			comma = i
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			comma = -1
		}
	}
	return out
}

// blankComment blanks the comment that starts at i and gives the index of its last byte.
func blankComment(out []byte, i int) int {
	out[i], out[i+1] = ' ', ' '
	for i += 2; i < len(out); i++ {
		end := out[i] == '*' && i+1 < len(out) && out[i+1] == '/'
		if out[i] != '\n' {
			out[i] = ' '
		}
		if end {
			out[i+1] = ' '
			return i + 1
		}
	}
	return i
}
