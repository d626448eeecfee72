package rust

import (
	"io/fs"
	"path/filepath"
)

// From these sizes on, in bytes, what is kept between builds is thrown away and made anew: cargo removes neither crates
// nor what it compiled of versions that are no longer used.
const (
	maxTarget   = 4 << 30
	maxRegistry = 2 << 30
)

// overgrown tells whether a directory has become larger than most.
func overgrown(dir string, most int64) bool {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		if size > most {
			return fs.SkipAll
		}
		return err
	})
	return err == nil && size > most
}
