package sandbox

import (
	"context"
	"fmt"
	"os"
	"runtime"
)

// RemoveAll removes a directory with all that runs have left in it. os.RemoveAll is not enough for an ordinary user:
// a process inside may close directories to its own user, what it gives to other users belongs to subordinate ids,
// and overlayfs leaves a closed directory in Rootfs.Work when a run is killed. A dir that does not exist is no error.
func (c *OCI) RemoveAll(ctx context.Context, dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || c.mode == ModeRoot {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := run{sandbox: c, process: &Process{Args: []string{"remove"}, RootOwned: true}}
	child, _, err := r.start()
	if err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	stop := child.cancelWith(ctx, 0)
	st, err := child.talk(&job{Remove: dir}, nil)
	cancelled := stop()
	child.streams.finish()
	switch {
	case cancelled:
		return fmt.Errorf("removing %s: %w", dir, ctx.Err())
	case err != nil:
		return fmt.Errorf("removing %s: %w", dir, err)
	case st.Error != "":
		return fmt.Errorf("removing %s: %s", dir, st.Error)
	}
	return nil
}
