package dockerfile

import (
	"fmt"
	"strconv"
	"strings"
)

// parseChmod reads the value of --chmod: octal, or symbolic as chmod(1) has it ("u=rwX,go=rX").
func parseChmod(spec string) (func(mode int64, isDir bool) int64, error) {
	if n, err := strconv.ParseUint(spec, 8, 16); err == nil {
		if n > 0o7777 {
			return nil, fmt.Errorf("--chmod=%s: modes end at 7777", spec)
		}
		return func(int64, bool) int64 { return int64(n) }, nil
	}
	var steps []func(int64, bool) int64
	for _, clause := range strings.Split(spec, ",") {
		step, err := parseClause(clause)
		if err != nil {
			return nil, fmt.Errorf("--chmod=%s: %w", spec, err)
		}
		steps = append(steps, step...)
	}
	return func(mode int64, isDir bool) int64 {
		for _, step := range steps {
			mode = step(mode, isDir)
		}
		return mode
	}, nil
}

// octal is the value of an octal --chmod, which also directories get that are made on the way; 0 for others.
func octal(spec string) int64 {
	n, err := strconv.ParseInt(spec, 8, 16)
	if err != nil {
		return 0
	}
	return n
}

// parseClause reads "ugo+rwx", of which there may be several operations: "u=rw+x".
func parseClause(clause string) ([]func(int64, bool) int64, error) {
	i := strings.IndexAny(clause, "+-=")
	if i < 0 {
		return nil, fmt.Errorf("%q is neither octal nor like u=rwX", clause)
	}
	who := clause[:i]
	if who == "" {
		who = "a"
	}
	if strings.Trim(who, "ugoa") != "" {
		return nil, fmt.Errorf("%q: who is u, g, o or a", clause)
	}
	var steps []func(int64, bool) int64
	for rest := clause[i:]; rest != ""; {
		op := rest[0]
		perms := rest[1:]
		end := strings.IndexAny(perms, "+-=")
		if end < 0 {
			end = len(perms)
		}
		perms, rest = perms[:end], perms[end:]
		if strings.Trim(perms, "rwxXstugo") != "" {
			return nil, fmt.Errorf("%q: permissions are r, w, x, X, s, t, u, g or o", clause)
		}
		steps = append(steps, func(mode int64, isDir bool) int64 { return change(mode, isDir, who, op, perms) })
	}
	return steps, nil
}

// classes are the shifts of user, group and others.
func classes(who string) (shifts []int) {
	for _, c := range []struct {
		letter string
		shift  int
	}{{"u", 6}, {"g", 3}, {"o", 0}} {
		if strings.Contains(who, c.letter) || strings.Contains(who, "a") {
			shifts = append(shifts, c.shift)
		}
	}
	return shifts
}

func change(mode int64, isDir bool, who string, op byte, perms string) int64 {
	var set, all int64
	for _, shift := range classes(who) {
		set |= bits(mode, isDir, perms) << shift
		all |= 0o7 << shift
	}
	if strings.Contains(perms, "s") {
		for _, shift := range classes(who) {
			if shift > 0 {
				set |= 0o1000 << (shift / 3)
			}
		}
	}
	if strings.Contains(perms, "t") {
		set |= 0o1000
	}
	switch op {
	case '+':
		return mode | set
	case '-':
		return mode &^ set
	}
	return mode&^all | set
}

// bits are the three bits that letters mean for one class.
func bits(mode int64, isDir bool, perms string) (b int64) {
	for _, p := range perms {
		switch p {
		case 'r':
			b |= 4
		case 'w':
			b |= 2
		case 'x':
			b |= 1
		case 'X':
			if isDir || mode&0o111 != 0 {
				b |= 1
			}
		case 'u':
			b |= mode >> 6 & 7
		case 'g':
			b |= mode >> 3 & 7
		case 'o':
			b |= mode & 7
		}
	}
	return b
}
