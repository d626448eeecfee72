package kit

import (
	"os"
	"path/filepath"

	"github.com/buildpacks/libcnb/v2"
)

// BindingFile gives the path of the first of a binding's entries that is there. Unlike libcnb it sees entries whose
// names begin with a point: .netrc, .npmrc.
func BindingFile(b libcnb.Binding, names ...string) (string, bool) {
	for _, name := range names {
		if file, ok := b.SecretFilePath(name); ok {
			return file, true
		}
		file := filepath.Join(b.Path, name)
		if info, err := os.Stat(file); b.Path != "" && err == nil && info.Mode().IsRegular() {
			return file, true
		}
	}
	return "", false
}
