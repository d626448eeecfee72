package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// Limits on every TOML file that is read. Buildpacks, apps and images write these files, so all of them are hostile.
const (
	maxTOMLSize    = 10 << 20 // bytes
	maxTOMLDepth   = 64       // nested arrays and inline tables; the decoder recurses
	maxTOMLKeyPath = 64       // parts of one dotted key; the decoder's work grows with their square
)

// readTOML decodes the file at path into v and tells which keys it had. A missing file gives fs.ErrNotExist.
func readTOML(path string, v any) (toml.MetaData, error) {
	data, err := readBounded(path)
	if err != nil {
		return toml.MetaData{}, fmt.Errorf("reading %s: %w", filepath.Base(path), err)
	}
	md, err := decodeTOML(data, v)
	if err != nil {
		return toml.MetaData{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return md, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path) // opening a named pipe would hang
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTOMLSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTOMLSize {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxTOMLSize>>20)
	}
	return data, nil
}

func decodeTOML(data []byte, v any) (toml.MetaData, error) {
	if err := checkNesting(data); err != nil {
		return toml.MetaData{}, err
	}
	md, err := toml.NewDecoder(bytes.NewReader(data)).Decode(v)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return md, fmt.Errorf("line %d: %s", parse.Position.Line, parse.Message)
	}
	return md, err
}

// checkNesting refuses documents that would exhaust the decoder's stack or time. It follows strings and comments only
// as far as needed to know which brackets and dots count; where it misreads broken TOML, the decoder stops before it.
func checkNesting(data []byte) error {
	depth, parts := 0, 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '#':
			for i+1 < len(data) && data[i+1] != '\n' {
				i++
			}
		case '"', '\'':
			i = skipString(data, i)
		case '[', '{':
			depth, parts = depth+1, 0
		case ']', '}':
			depth, parts = depth-1, 0
		case '\n', '=', ',':
			parts = 0
		case '.':
			parts++
		}
		if depth > maxTOMLDepth || parts > maxTOMLKeyPath {
			return fmt.Errorf("values or keys are nested more than %d deep", maxTOMLDepth)
		}
	}
	return nil
}

// skipString gives the index of the last byte of the string that starts at i.
func skipString(data []byte, i int) int {
	quote := data[i : i+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(data[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(data); j++ {
		switch {
		case data[j] == '\\' && quote[0] == '"':
			j++
		case bytes.HasPrefix(data[j:], quote):
			return j + len(quote) - 1
		case data[j] == '\n' && len(quote) == 1:
			return j - 1 // broken: the decoder will say so
		}
	}
	return len(data)
}

// writeTOML writes v to path, whole or not at all, and makes the directory when it is missing. The file is not synced
// to the disk: these files hand over between the phases of one build, and a build that lost power starts over.
func writeTOML(path string, v any) error {
	var buf bytes.Buffer
	if err := toml.NewEncoder(&buf).Encode(v); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := writeFile(path, buf.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeFile(path string, data []byte) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
