package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

const (
	treeDir  = "fs"   // the unpacked files
	treeDone = "done" // a treeInfo
)

// treeInfo lies beside an unpacked tree. The files of a tree are not synced one by one, which would take longer than
// to unpack them again: a tree is believed as long as the system runs that unpacked it, and beyond that once the
// kernel has had the time to write it to the disk.
type treeInfo struct {
	Boot   string    `json:"boot,omitempty"`   // boot_id of the system that unpacked it; empty: it is on the disk
	Made   time.Time `json:"made"`             // when
	Bytes  int64     `json:"bytes"`            // size of the layer, uncompressed
	DiffID v1.Hash   `json:"diffID,omitempty"` // which layer
}

// written is after what time the kernel has certainly written files to the disk (it starts after 30 s).
const written = 10 * time.Minute

// Tree gives the directory in which layer is unpacked (read-only, overlayfs form of whiteouts), unpacking it first if
// needed. The directory stays until Prune; call Pin before, and release it when the directory is no longer used.
func (s *Store) Tree(ctx context.Context, layer v1.Layer) (dir string, err error) {
	diffID, err := layer.DiffID()
	if err == nil {
		err = checkHash(diffID)
	}
	if err != nil {
		return "", fmt.Errorf("unpacking a layer: %w", err)
	}
	dir = filepath.Join(s.treePath(diffID), treeDir)
	if s.hasTree(diffID) {
		return dir, nil
	}
	unlock, err := s.Lock(ctx, "unpack-"+diffID.Hex)
	if err != nil {
		return "", err
	}
	defer unlock()
	if s.hasTree(diffID) {
		return dir, nil
	}
	p := &pass{store: s, need: Tree, want: diffID}
	if err := p.run(ctx, s.sourceOf(layer)); err != nil {
		return "", fmt.Errorf("unpacking layer %s: %w", diffID, err)
	}
	return dir, nil
}

// sourceOf gives the uncompressed stream of any layer.
func (s *Store) sourceOf(l v1.Layer) Source {
	if own, ok := l.(*layer); ok && own.src != nil && s.missing(own, Blob) != 0 {
		return own.src
	}
	return func(_ context.Context, w io.Writer) error { return copyLayer(w, l) }
}

func copyLayer(w io.Writer, layer v1.Layer) error {
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, chunkSize))
	return errors.Join(err, r.Close())
}

func (s *Store) treePath(diffID v1.Hash) string { return s.path("trees", s.treeName(diffID)) }

// treeName is the name of a layer's tree.
func (s *Store) treeName(diffID v1.Hash) string { return diffID.Hex + s.form }

// treeForm tells trees apart by who unpacks them. An ordinary user can only record the owners of files; root of a user
// namespace, or of a container, sets them, but marks opaque directories in another way than the machine's root.
func treeForm(dir string) string {
	switch {
	case os.Geteuid() != 0:
		return "-recorded"
	case unix.Setxattr(dir, "trusted.s2i.probe", nil, 0) != nil:
		return "-mapped"
	}
	return ""
}

// hasTree tells whether a layer is unpacked.
func (s *Store) hasTree(diffID v1.Hash) bool {
	if checkHash(diffID) != nil {
		return false
	}
	info, err := s.readTreeInfo(s.treeName(diffID))
	if err != nil || info.DiffID != diffID {
		return false
	}
	path := s.treePath(diffID)
	if info.Boot != "" {
		if info.Boot != bootID() {
			return false
		}
		if time.Since(info.Made) > written {
			info.Boot = ""
			_ = s.writeTreeInfo(filepath.Join(path, treeDone), info) // the next time will do as well
		}
	}
	if st, err := os.Stat(path); err == nil {
		touch(path, st)
	}
	return true
}

func (s *Store) readTreeInfo(name string) (treeInfo, error) {
	var info treeInfo
	data, err := os.ReadFile(s.path("trees", name, treeDone))
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	return info, err
}

func (s *Store) writeTreeInfo(path string, info treeInfo) error {
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return s.writeFile(path, data)
}

// keepTree makes an unpacked tree visible, unless another process was faster.
func (s *Store) keepTree(ctx context.Context, t *temp, diffID v1.Hash, bytes int64) error {
	unlock, err := s.Lock(ctx, "tree-"+diffID.Hex)
	if err != nil {
		return err
	}
	defer unlock()
	if s.hasTree(diffID) {
		return nil
	}
	info := treeInfo{Boot: bootID(), Made: time.Now().UTC(), Bytes: bytes, DiffID: diffID}
	if err := s.writeTreeInfo(filepath.Join(t.path, treeDone), info); err != nil {
		return err
	}
	path := s.treePath(diffID)
	if err := s.removeTree(path); err != nil {
		return err
	}
	return t.commit(path)
}

// removeTree moves a tree out of sight and removes it in the background.
func (s *Store) removeTree(path string) error {
	aside := s.aside(path)
	err := os.Rename(path, aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	f, err := os.Open(aside)
	if err == nil && flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
		s.removeBehind(aside, f)
	} // else another process that is clearing up was faster
	return nil
}

// bootID tells one run of the system from another; empty where it cannot be told.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
