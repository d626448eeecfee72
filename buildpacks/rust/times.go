package rust

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"s2i/buildpacks/kit"
)

// statesFile is where the directory of compiled crates keeps what the sources were that it was made from.
const statesFile = "s2i-sources"

// state is one file or directory of the sources: what is in it, and since when, as the compiler was told.
type state struct {
	sum  string
	time int64 // nanoseconds since 1970
}

// setTimes gives the app's files times by which cargo sees what has changed since the last build: it compares them with
// those of what it has compiled, and the files of the app all carry one fixed time. A file that is as it was keeps its
// time, one that has changed gets the present. So only the crates that changed are compiled again.
//
// The record of the last build is removed; keepStates writes the new one, once the build has succeeded. Without a
// record all that was compiled is old.
func setTimes(app *kit.App, target string) (map[string]state, error) {
	before, made, err := readStates(target)
	if err != nil {
		return nil, err
	}
	_, err = os.Lstat(filepath.Join(target, "release"))
	first := before == nil && errors.Is(err, fs.ErrNotExist)
	now := time.Now().UnixNano()
	after := map[string]state{}
	set := func(name, sum string) error {
		info, err := app.Root().Stat(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		has := info.ModTime().UnixNano()
		s := state{sum: sum, time: now}
		if old, ok := before[name]; ok && old.sum == sum {
			s.time = old.time
			if old.time > made {
				// Layers have come through an archive, in which all files have one time, older than what we recorded.
				s.time = 0
			}
		} else if first {
			s.time = min(has, now)
		}
		after[name] = s
		if s.time == has {
			return nil
		}
		when := time.Unix(0, s.time)
		return app.Root().Chtimes(filepath.FromSlash(name), when, when)
	}
	if err := walkSources(app, set); err != nil {
		return nil, fmt.Errorf("setting the times of the sources: %w", err)
	}
	return after, nil
}

// walkSources calls visit for every file and directory with a sum of its contents; directories come after what is in
// them. Of a directory the names count: build scripts may look at all files in one.
func walkSources(app *kit.App, visit func(name, sum string) error) error {
	names := map[string][]string{}
	var dirs []string
	err := fs.WalkDir(app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." {
			parent := path.Dir(name)
			names[parent] = append(names[parent], d.Name())
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
			dirs = append(dirs, name)
		case d.Type().IsRegular():
			sum, err := sumFile(app, name)
			if err != nil {
				return err
			}
			return visit(name, sum)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		sum := sha256.Sum256([]byte(strings.Join(names[dirs[i]], "\x00")))
		if err := visit(dirs[i], hex.EncodeToString(sum[:])); err != nil {
			return err
		}
	}
	return nil
}

func sumFile(app *kit.App, name string) (string, error) {
	f, err := app.Root().Open(filepath.FromSlash(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readStates reads and removes the record of the last build; nil when there is none. made is the record's own time.
func readStates(target string) (states map[string]state, made int64, err error) {
	file := filepath.Join(target, statesFile)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading what the last build was made from: %w", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, fmt.Errorf("reading what the last build was made from: %w", err)
	}
	if err := os.Remove(file); err != nil {
		return nil, 0, fmt.Errorf("removing what the last build was made from: %w", err)
	}
	return parseStates(data), info.ModTime().UnixNano(), nil
}

// parseStates parses a record: lines of sum, time and quoted name. Lines that are none count as never seen.
func parseStates(data []byte) map[string]state {
	states := map[string]state{}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(parts) != 3 {
			continue
		}
		when, err := strconv.ParseInt(parts[1], 10, 64)
		name, err2 := strconv.Unquote(parts[2])
		if err == nil && err2 == nil {
			states[name] = state{sum: parts[0], time: when}
		}
	}
	return states
}

// keepStates writes the record for the next build.
func keepStates(target string, states map[string]state) error {
	var text []byte
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		text = fmt.Appendf(text, "%s %d %s\n", s.sum, s.time, strconv.Quote(name))
	}
	if err := os.WriteFile(filepath.Join(target, statesFile), text, 0o644); err != nil {
		return fmt.Errorf("keeping what the build was made from: %w", err)
	}
	return nil
}
