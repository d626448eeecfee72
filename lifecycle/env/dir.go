package env

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxValue bounds one variable, in bytes. The kernel takes no more than 128 KiB; a delimiter or an unknown suffix may
// be anything, so the bound is for memory, not for use.
const maxValue = 1 << 20

// File is a file of an environment directory. Its value is the content, byte for byte.
type File struct{ Name, Value string }

// ReadDir reads the files of an environment directory, sorted by name. Subdirectories are left out, links are followed
// (a mounted config map has its files behind links). A missing directory has no files.
func ReadDir(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			continue
		}
		value, err := readValue(path, info)
		if err != nil {
			return nil, &fs.PathError{Op: "reading the environment variable in", Path: path, Err: err}
		}
		files = append(files, File{entry.Name(), value})
	}
	return files, nil
}

func readValue(path string, info fs.FileInfo) (string, error) {
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	if strings.Contains(info.Name(), "=") {
		return "", errors.New("the name of a variable cannot have \"=\"")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxValue {
		return "", errors.New("it is larger than 1 MiB")
	}
	value := string(data)
	if strings.ContainsRune(value, 0) {
		return "", errors.New("it has a NUL byte")
	}
	return value, nil
}

func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}
