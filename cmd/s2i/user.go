package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// maxAccounts bounds an image's /etc/passwd and /etc/group, in bytes.
const maxAccounts = 1 << 20

// userIn reads the user of an image's configuration, "user[:group]", each a name or a number (OCI image
// specification, config.md). Names stand in the image's own files, which are looked for in layers, top first. Without
// a group it is the one in /etc/passwd, else 0.
func userIn(layers []string, user string) (uid, gid int, err error) {
	name, group, _ := strings.Cut(user, ":")
	if name == "" {
		name = "0"
	}
	account, err := lookUp(layers, "etc/passwd", name)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = id(account, name, "user"); err != nil {
		return 0, 0, err
	}
	if group == "" {
		if len(account) > 3 {
			gid, err = id(nil, account[3], "group")
		}
		return uid, gid, err
	}
	account, err = lookUp(layers, "etc/group", group)
	if err != nil {
		return 0, 0, err
	}
	gid, err = id(account, group, "group")
	return uid, gid, err
}

// id gives the number of an account that was looked up by name; accounts with numbers need not exist.
func id(account []string, name, kind string) (int, error) {
	number := name
	if len(account) > 2 {
		number = account[2]
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("the image's %s %q is neither a number nor known in the image's /etc", kind, name)
	}
	return int(n), nil
}

// lookUp finds the line of an account, by name or number, in a file of colon-separated fields; nil when there is none.
func lookUp(layers []string, file, name string) ([]string, error) {
	f, err := openIn(layers, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	defer f.Close()
	scan := bufio.NewScanner(io.LimitReader(f, maxAccounts))
	for scan.Scan() {
		fields := strings.Split(scan.Text(), ":")
		if len(fields) > 2 && (fields[0] == name || fields[2] == name) {
			return fields, nil
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	return nil, nil
}

// openIn opens a regular file in the topmost layer that has it. Links never lead out of the layer.
func openIn(layers []string, file string) (io.ReadCloser, error) {
	for _, layer := range layers {
		root, err := os.OpenRoot(layer)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		info, err := root.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() { // a whiteout, too
			break
		}
		return root.Open(file)
	}
	return nil, fs.ErrNotExist
}
