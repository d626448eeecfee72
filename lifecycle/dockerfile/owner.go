package dockerfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"s2i/lifecycle/listing"
)

// ids are a user and a group.
type ids struct{ uid, gid int }

// user resolves "user", "user:group", "1000" or "1000:1000" by the image's own /etc/passwd and /etc/group. A name alone
// brings its primary group; a number alone is the group as well when group is sameGroup, else the group is that of the
// user's entry, or 0.
func (r *rootfs) user(ctx context.Context, spec string, sameGroup bool) (ids, error) {
	name, group, hasGroup := strings.Cut(spec, ":")
	var out ids
	uid, err := strconv.ParseUint(name, 10, 31)
	entry, found, findErr := r.lookup(ctx, "etc/passwd", name, err == nil)
	if findErr != nil {
		return out, findErr
	}
	switch {
	case err == nil:
		out.uid = int(uid)
		if sameGroup {
			out.gid = out.uid
		} else if found {
			out.gid = number(entry, 3)
		}
	case found:
		out.uid, out.gid = number(entry, 2), number(entry, 3)
	default:
		return out, fmt.Errorf("there is no user %q in the image's /etc/passwd", name)
	}
	if !hasGroup || group == "" {
		return out, nil
	}
	if gid, err := strconv.ParseUint(group, 10, 31); err == nil {
		out.gid = int(gid)
		return out, nil
	}
	entry, found, findErr = r.lookup(ctx, "etc/group", group, false)
	if findErr != nil {
		return out, findErr
	}
	if !found {
		return out, fmt.Errorf("there is no group %q in the image's /etc/group", group)
	}
	out.gid = number(entry, 2)
	return out, nil
}

// lookup finds a line of an account file by its name, or by its number.
func (r *rootfs) lookup(ctx context.Context, file, key string, byID bool) ([]string, bool, error) {
	at, err := r.Resolve(file, true)
	if err != nil {
		return nil, false, err
	}
	e := r.Lstat(at)
	if e == nil {
		return nil, false, nil
	}
	content, err := r.open(ctx, &listing.Entry{Name: at})
	if err != nil {
		return nil, false, fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	defer content.Close()
	column := 0
	if byID {
		column = 2
	}
	lines := bufio.NewScanner(io.LimitReader(content, 4<<20))
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ":"); len(fields) > 2 && fields[column] == key {
			return fields, true, nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, false, fmt.Errorf("reading the image's /%s: %w", file, err)
	}
	return nil, false, nil
}

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
