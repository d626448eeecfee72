package create

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
)

// handOver gives files or directories, and everything below them, to the user that buildpacks run as, when that is
// another user on this machine than the caller.
func (w *work) handOver(paths ...string) error {
	owner := w.buildUser()
	if owner.UID == os.Geteuid() || os.Geteuid() != 0 {
		return nil
	}
	for _, p := range paths {
		if err := chownTree(p, owner); err != nil {
			return fmt.Errorf("giving %s to the build's user: %w", p, err)
		}
	}
	return nil
}

// buildUser is the user of buildpacks as this machine sees it. Sandboxes that map users know it.
func (w *work) buildUser() sandbox.User {
	owner := sandbox.User{UID: lifecycle.UserID, GID: lifecycle.GroupID}
	if s, ok := w.Sandbox.(interface {
		User(want sandbox.User) (inside, outside sandbox.User)
	}); ok {
		_, owner = s.User(owner)
	}
	return owner
}

func chownTree(root string, owner sandbox.User) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, owner.UID, owner.GID)
	})
}
