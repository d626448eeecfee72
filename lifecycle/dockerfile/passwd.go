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
)

// rootfsDirs reads the account files in directories for overlayfs, top first.
type rootfsDirs struct{ lower []string }

// entry finds a line of an account file by the value of a column.
func (r *rootfsDirs) entry(file string, column int, value string) (found []string, err error) {
	err = r.each(file, func(fields []string) bool {
		if len(fields) > column && fields[column] == value {
			found = fields
		}
		return found == nil
	})
	return found, err
}

// each goes through the lines of an account file until visit has enough.
func (r *rootfsDirs) each(file string, visit func(fields []string) bool) error {
	for _, dir := range r.lower {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		f, err := root.Open(filepath.FromSlash(file))
		_ = root.Close()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the image's /%s: %w", file, err)
		}
		defer f.Close()
		lines := bufio.NewScanner(io.LimitReader(f, 4<<20))
		for lines.Scan() && visit(strings.Split(lines.Text(), ":")) {
		}
		return nil
	}
	return nil
}

// groups are the further groups of who is named without one.
func (r *rootfsDirs) groups(spec string) (list []int, err error) {
	if strings.Contains(spec, ":") {
		return nil, nil
	}
	name := spec
	if e, err := r.entry("etc/passwd", 2, spec); err != nil {
		return nil, err
	} else if e != nil {
		name = e[0]
	}
	err = r.each("etc/group", func(fields []string) bool {
		if len(fields) > 3 && slices.Contains(strings.Split(fields[3], ","), name) {
			list = append(list, number(fields, 2))
		}
		return true
	})
	return list, err
}

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

// home is the home directory of a user, "" when nobody says.
func (r *rootfsDirs) home(uid int) string {
	e, err := r.entry("etc/passwd", 2, strconv.Itoa(uid))
	if err != nil || len(e) < 6 {
		return ""
	}
	return e[5]
}
