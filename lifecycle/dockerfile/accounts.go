package dockerfile

import (
	"bufio"
	"context"
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

	"s2i/lifecycle/listing"
)

// ids are a user and a group.
type ids struct{ uid, gid int }

// accounts are the users and groups of an image. It opens etc/passwd or etc/group; nil when there is none.
type accounts func(file string) (io.ReadCloser, error)

// account is what an image tells of a user.
type account struct {
	ids
	home string
}

// maxAccounts bounds what is read of an account file, in bytes.
const maxAccounts = 4 << 20

// maxGroups is how many groups a process can have.
const maxGroups = 65536

// user resolves "user", "user:group", "1000" or "1000:1000". Without a group it has the primary group of the user's
// entry; a number without an entry has group 0. The name root needs no entry: it is 0.
func (a accounts) user(spec string) (who account, err error) {
	name, group, _ := strings.Cut(spec, ":")
	id, numErr := strconv.ParseUint(name, 10, 31)
	column := 0
	if numErr == nil {
		who.uid, column = int(id), 2
	}
	e, err := a.entry("etc/passwd", column, name)
	switch {
	case err != nil:
		return account{}, err
	case e == nil && numErr != nil && name != "root":
		return account{}, fmt.Errorf("there is no user %q in the image's /etc/passwd", name)
	case e != nil:
		who.ids = ids{number(e, 2), number(e, 3)}
		if len(e) > 5 {
			who.home = e[5]
		}
	}
	if group == "" {
		return who, nil
	}
	if id, err := strconv.ParseUint(group, 10, 31); err == nil {
		who.gid = int(id)
		return who, nil
	}
	g, err := a.entry("etc/group", 0, group)
	if err == nil && g == nil && group != "root" {
		err = fmt.Errorf("there is no group %q in the image's /etc/group", group)
	}
	who.gid = number(g, 2)
	return who, err
}

// owner resolves what --chown names: as user, but a number alone is the group, too.
func (a accounts) owner(spec string) (ids, error) {
	name, group, _ := strings.Cut(spec, ":")
	if id, err := strconv.ParseUint(name, 10, 31); err == nil && group == "" {
		return ids{int(id), int(id)}, nil
	}
	who, err := a.user(spec)
	return who.ids, err
}

// groups are the groups of a user as USER names it: the primary one, and, unless USER names a group, those that list
// the user as a member.
func (a accounts) groups(spec string, primary int) ([]int, error) {
	gids := []int{primary}
	name, group, _ := strings.Cut(spec, ":")
	if group != "" {
		return gids, nil
	}
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		e, err := a.entry("etc/passwd", 2, name)
		if err != nil || e == nil {
			return gids, err
		}
		name = e[0]
	}
	err := a.lines("etc/group", func(fields []string) bool {
		if len(fields) > 3 && slices.Contains(strings.Split(fields[3], ","), name) {
			gids = append(gids, number(fields, 2))
		}
		return len(gids) < maxGroups
	})
	return gids, err
}

// entry finds a line of an account file by the value of a column; nil when there is none.
func (a accounts) entry(file string, column int, value string) (found []string, err error) {
	err = a.lines(file, func(fields []string) bool {
		if len(fields) > max(column, 2) && fields[column] == value {
			found = fields
		}
		return found == nil
	})
	return found, err
}

// lines calls visit with the fields of every line of an account file, until visit returns false.
func (a accounts) lines(file string, visit func(fields []string) bool) error {
	f, err := a(file)
	if err != nil {
		return fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	if f == nil {
		return nil
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxAccounts + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxAccounts)
	for lines.Scan() {
		if !visit(strings.Split(lines.Text(), ":")) {
			return nil
		}
	}
	err = lines.Err()
	if limited.N == 0 || errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("it is larger than %d bytes", maxAccounts)
	}
	if err != nil {
		return fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	return nil
}

// number is a column that is an id; 0 when it is none.
func number(fields []string, i int) int {
	if i >= len(fields) {
		return 0
	}
	n, err := strconv.ParseUint(fields[i], 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// accounts are those of the image's layers, wherever they are.
func (r *rootfs) accounts(ctx context.Context) accounts {
	return func(file string) (io.ReadCloser, error) {
		at, err := r.Resolve(file, true)
		if err != nil || r.Lstat(at) == nil {
			return nil, err
		}
		return r.open(ctx, &listing.Entry{Name: at})
	}
}

// accountsIn are those of directories for overlayfs, top first, as it would show them.
func accountsIn(lower []string) accounts {
	return func(file string) (io.ReadCloser, error) {
		for _, dir := range lower {
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
				return nil, err
			}
			info, err := f.Stat()
			if err == nil && info.Mode().IsRegular() {
				return f, nil
			}
			_ = f.Close()
			if err == nil && info.Mode()&fs.ModeCharDevice == 0 {
				err = errors.New("it is no file")
			}
			return nil, err
		}
		return nil, nil
	}
}
