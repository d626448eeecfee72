package sandbox

import "os"

// Inside gives the ids inside, for a process with RootOwned, of a file's ids outside: what turns the files that it left
// into entries of a layer. Ids that do not exist inside are root's.
func (c *OCI) Inside() func(uid, gid int) (int, int) {
	switch c.Mode() {
	case ModeRoot:
		return func(uid, gid int) (int, int) { return uid, gid }
	case ModeSubordinate:
		uids, gids := keepMap(0, os.Getuid(), c.uids), keepMap(0, os.Getgid(), c.gids)
		return func(uid, gid int) (int, int) { return inside(uids, uid), inside(gids, gid) }
	default:
		return func(int, int) (int, int) { return 0, 0 }
	}
}

func inside(maps []mapping, id int) int {
	for _, m := range maps {
		if id >= m.Outside && id < m.Outside+m.Size {
			return m.Inside + id - m.Outside
		}
	}
	return 0
}
