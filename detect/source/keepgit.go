package source

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// keepGit writes a repository of one commit into the directory dir, as a shallow clone has it. What the server's pack
// looked like is different every time; here the same commit always gives the same bytes.
func keepGit(c *commit, dir, address string) error {
	k := &keeper{commit: c}
	if err := k.collect(); err != nil {
		return err
	}
	to := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
	if err := to.Init(); err != nil {
		return err
	}
	if err := k.pack(to); err != nil {
		return err
	}
	conf := config.NewConfig()
	conf.Remotes["origin"] = &config.RemoteConfig{Name: "origin", URLs: []string{address},
		Fetch: []config.RefSpec{"+refs/heads/*:refs/remotes/origin/*"}}
	if err := to.SetConfig(conf); err != nil {
		return err
	}
	if k.parents {
		if err := to.SetShallow([]plumbing.Hash{c.hash}); err != nil {
			return err
		}
	}
	if c.tag != "" && !strings.Contains(c.tag, "..") {
		if err := to.SetReference(plumbing.NewHashReference(plumbing.NewTagReferenceName(c.tag), c.hash)); err != nil {
			return err
		}
	}
	return errors.Join(to.SetReference(plumbing.NewHashReference(plumbing.HEAD, c.hash)), to.SetIndex(&k.index))
}

// keeper collects what a commit consists of.
type keeper struct {
	*commit
	parents bool
	hashes  []plumbing.Hash
	seen    map[plumbing.Hash]bool
	index   index.Index
}

func (k *keeper) collect() error {
	o, err := object.GetCommit(k.objects, k.hash)
	if err != nil {
		return fmt.Errorf("reading commit %s: %w", k.hash, err)
	}
	k.seen, k.parents, k.index.Version = map[plumbing.Hash]bool{}, o.NumParents() > 0, 2
	k.take(k.hash)
	tree, err := o.Tree()
	if err != nil {
		return err
	}
	return k.tree(tree, "", 0)
}

func (k *keeper) take(h plumbing.Hash) {
	if !k.seen[h] {
		k.seen[h] = true
		k.hashes = append(k.hashes, h)
	}
}

func (k *keeper) tree(tree *object.Tree, dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%q is more than %d directories deep", dir, maxDepth)
	}
	k.take(tree.Hash)
	for _, e := range tree.Entries {
		name := join(dir, e.Name)
		switch e.Mode {
		case filemode.Dir:
			inner, err := object.GetTree(k.objects, e.Hash)
			if err != nil {
				return fmt.Errorf("reading the directory %q: %w", name, err)
			}
			if err := k.tree(inner, name, depth+1); err != nil {
				return err
			}
			continue
		case filemode.Submodule:
		default:
			k.take(e.Hash)
		}
		k.index.Entries = append(k.index.Entries, &index.Entry{Hash: e.Hash, Name: name, Mode: e.Mode,
			CreatedAt: time.Unix(0, 0), ModifiedAt: time.Unix(0, 0)})
	}
	return nil
}

// pack writes the objects, whole and in a fixed order.
func (k *keeper) pack(to *filesystem.Storage) (err error) {
	w, err := to.PackfileWriter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, err = packfile.NewEncoder(w, k.objects, false).Encode(k.hashes, 0)
	return err
}
