package archive

import (
	"archive/tar"
	"path"
	"slices"
)

// Parents describes the directories above the absolute slash path name, outermost first, as the entries that come
// before it in a layer: mode 0755, owned by uid and gid.
func Parents(name string, uid, gid int) []tar.Header {
	var out []tar.Header
	for dir := path.Dir(name); dir != "/" && dir != "."; dir = path.Dir(dir) {
		out = append(out, tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, Uid: uid, Gid: gid})
	}
	slices.Reverse(out)
	return out
}
