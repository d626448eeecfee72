package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// record is the file of a record. It holds its key, so that a file moved by hand or damaged is not believed.
type record struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// maxRecord bounds a record, in bytes.
const maxRecord = 64 << 20

func (s *Store) recordPath(kind, key string) (string, error) {
	if !safeName.MatchString(kind) {
		return "", fmt.Errorf("kind of record %q is no file name", kind)
	}
	return s.path("records", kind, fileName(key)), nil
}

// Record reads the small JSON record of a kind under a key into v; ErrNotFound when there is none, or none that can
// be read: records only ever save work.
func (s *Store) Record(kind, key string, v any) error {
	path, err := s.recordPath(kind, key)
	if err != nil {
		return err
	}
	missing := fmt.Errorf("reading record %s %q: %w", kind, key, ErrNotFound)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing
	}
	if err != nil {
		return fmt.Errorf("reading record %s %q: %w", kind, key, err)
	}
	if st.Size() > maxRecord {
		return missing
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading record %s %q: %w", kind, key, err)
	}
	var r record
	if json.Unmarshal(data, &r) != nil || r.Key != key || json.Unmarshal(r.Value, v) != nil {
		return missing
	}
	touch(path, st)
	return nil
}

// SetRecord writes a record.
func (s *Store) SetRecord(kind, key string, v any) error {
	path, err := s.recordPath(kind, key)
	if err != nil {
		return err
	}
	value, err := json.Marshal(v)
	if err == nil {
		value, err = json.Marshal(record{key, value})
	}
	if err == nil && len(value) > maxRecord {
		err = fmt.Errorf("%d bytes are too many", len(value))
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = s.writeFile(path, value)
	}
	if err != nil {
		return fmt.Errorf("writing record %s %q: %w", kind, key, err)
	}
	return nil
}

// CacheDir is the directory for what outlives a build of one app (build caches, cached layers), by app key. Callers
// hold the lock "cache-"+key while they use it.
func (s *Store) CacheDir(key string) (string, error) {
	dir := s.path("cache", fileName(key))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the cache directory of %q: %w", key, err)
	}
	if st, err := os.Stat(dir); err == nil {
		touch(dir, st)
	}
	return dir, nil
}
