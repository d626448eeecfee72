package dockerfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rootfsDirs reads the account files in directories for overlayfs, top first.
type rootfsDirs struct{ lower []string }

// maxAccounts bounds what is read of an account file, in bytes.
const maxAccounts = 4 << 20

// lines calls visit with the fields of every line of an account file, until visit returns false.
func (r *rootfsDirs) lines(file string, visit func(fields []string) bool) error {
	f, err := r.open(file)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxAccounts))
	for lines.Scan() {
		if !visit(strings.Split(lines.Text(), ":")) {
			return nil
		}
	}
	return nil
}

// open opens an account file as overlayfs would show it; nil when there is none.
func (r *rootfsDirs) open(file string) (*os.File, error) {
	for _, dir := range r.lower {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		f, err := root.OpenFile(filepath.FromSlash(file), os.O_RDONLY|unix.O_NONBLOCK, 0)
		_ = root.Close()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTDIR): // removed
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("reading the image's /%s: %w", file, err)
		}
		info, err := f.Stat()
		if err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		_ = f.Close()
		if err == nil && info.Mode()&fs.ModeCharDevice == 0 {
			err = fmt.Errorf("reading the image's /%s: it is no file", file)
		}
		return nil, err
	}
	return nil, nil
}

// entry finds a line of an account file by the value of a column.
func (r *rootfsDirs) entry(file string, column int, value string) (found []string, err error) {
	err = r.lines(file, func(fields []string) bool {
		if len(fields) > column && fields[column] == value {
			found = fields
		}
		return found == nil
	})
	return found, err
}

// groups are the groups of a user as USER names it: the primary one, and, unless USER names a group, those that list
// the user as a member.
func (r *rootfsDirs) groups(spec string, primary int) ([]int, error) {
	gids := []int{primary}
	name, group, _ := strings.Cut(spec, ":")
	if group != "" {
		return gids, nil
	}
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		e, err := r.entry("etc/passwd", 2, name)
		if err != nil || e == nil {
			return gids, err
		}
		name = e[0]
	}
	err := r.lines("etc/group", func(fields []string) bool {
		if len(fields) > 3 && slices.Contains(strings.Split(fields[3], ","), name) {
			gids = append(gids, number(fields, 2))
		}
		return len(gids) < maxGroups
	})
	return gids, err
}

// maxGroups is how many groups a process can have.
const maxGroups = 65536

// user resolves USER: ids by the image's own accounts, and the home directory.
func (r *rootfsDirs) user(spec string) (uid, gid int, home string, err error) {
	name, group, _ := strings.Cut(spec, ":")
	id, numErr := strconv.ParseUint(name, 10, 31)
	column := 0
	if numErr == nil {
		uid, column = int(id), 2
	}
	e, err := r.entry("etc/passwd", column, name)
	switch {
	case err != nil:
		return 0, 0, "", err
	case e == nil && numErr != nil:
		return 0, 0, "", fmt.Errorf("there is no user %q in the image's /etc/passwd", name)
	case e != nil:
		uid, gid = number(e, 2), number(e, 3)
		if len(e) > 5 {
			home = e[5]
		}
	}
	if group == "" {
		return uid, gid, home, nil
	}
	if id, err := strconv.ParseUint(group, 10, 31); err == nil {
		return uid, int(id), home, nil
	}
	g, err := r.entry("etc/group", 0, group)
	if err == nil && g == nil {
		err = fmt.Errorf("there is no group %q in the image's /etc/group", group)
	}
	return uid, number(g, 2), home, err
}
