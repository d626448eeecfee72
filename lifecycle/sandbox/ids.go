package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mode is how user ids inside a sandbox relate to those outside.
type Mode string

const (
	// ModeRoot is for root: ids inside are ids outside.
	ModeRoot Mode = "root"
	// ModeSubordinate is for root of a user namespace, which Enter makes of an ordinary user with ranges in /etc/subuid
	// and /etc/subgid: ids inside are ids in that namespace.
	ModeSubordinate Mode = "subordinate"
	// ModeSingle is for any other user: only user 0 exists inside, it is the caller outside. No process can become
	// another user, and nobody can take the caller's supplementary groups away there. With Process.Owners files can
	// be given to others all the same: see archive.OwnerXattr and OwnersFile.
	ModeSingle Mode = "single"
)

// User is a user and a group id.
type User struct{ UID, GID int }

// mapping is one line of a user namespace's id map.
type mapping struct{ Inside, Outside, Size int }

// idRange is a range of subordinate ids.
type idRange struct{ First, Count int }

// rootMap makes own user 0, and the range sub all other users.
func rootMap(own int, sub idRange) []mapping {
	return []mapping{{0, own, 1}, {1, sub.First, sub.Count}}
}

// subordinate finds the ids that newuidmap and newgidmap would let the calling user have. The error says what keeps
// the user from having any.
func subordinate() (uids, gids idRange, err error) {
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			return uids, gids, fmt.Errorf("%s is not installed (apt-get install uidmap)", tool)
		}
	}
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		return uids, gids, errors.New("newuidmap has no effect because new privileges are forbidden")
	}
	if uids, err = subRange("/etc/subuid", os.Getuid()); err != nil {
		return uids, gids, err
	}
	gids, err = subRange("/etc/subgid", os.Getuid())
	return uids, gids, err
}

// subRange reads the first range of the user uid from a file such as /etc/subuid.
func subRange(file string, uid int) (idRange, error) {
	f, err := os.Open(file)
	if err != nil {
		return idRange{}, err
	}
	defer f.Close()
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	r, ok := parseSubIDs(f, name, strconv.Itoa(uid))
	if !ok {
		return idRange{}, fmt.Errorf("%s has no range for user %d", file, uid)
	}
	return r, nil
}

// maxSubIDs bounds what is read of /etc/subuid, in bytes.
const maxSubIDs = 4 << 20

// parseSubIDs finds the first usable range of a user, by name or number, in lines of user:first:count.
func parseSubIDs(r io.Reader, name, uid string) (idRange, bool) {
	sc := bufio.NewScanner(io.LimitReader(r, maxSubIDs))
	for sc.Scan() {
		f := strings.Split(strings.TrimSpace(sc.Text()), ":")
		if len(f) != 3 || f[0] == "" || f[0] != name && f[0] != uid {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil && count > 0 && first > 0 && first+count <= 1<<32 {
			return idRange{int(first), int(min(count, 1<<16))}, true
		}
	}
	return idRange{}, false
}

// writeMaps gives the user namespace of the process pid its ids, by the setuid helpers.
func writeMaps(pid int, uids, gids []mapping) error {
	errs := make(chan error, 2)
	for tool, maps := range map[string][]mapping{"newuidmap": uids, "newgidmap": gids} {
		go func() {
			args := []string{strconv.Itoa(pid)}
			for _, m := range maps {
				args = append(args, strconv.Itoa(m.Inside), strconv.Itoa(m.Outside), strconv.Itoa(m.Size))
			}
			out, err := exec.Command(tool, args...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("mapping ids with %s: %w: %s", tool, err, strings.TrimSpace(string(out)))
			}
			errs <- err
		}()
	}
	return errors.Join(<-errs, <-errs)
}

// inUserNamespace says whether this process is in a user namespace other than the first one.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	f := strings.Fields(string(b))
	return len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295"
}

// hasCapability says whether this process has the capability, such as unix.CAP_SYS_ADMIN, in effect.
func hasCapability(c int) bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false
	}
	return data[c/32].Effective&(1<<(c%32)) != 0
}

// mapped says whether both ids exist in the user namespace that this process is in.
func mapped(u User) bool {
	return mapHas("/proc/self/uid_map", u.UID) && mapHas("/proc/self/gid_map", u.GID)
}

// sameIDs maps every id of this user namespace to itself, by a file such as /proc/self/uid_map.
func sameIDs(file string) []syscall.SysProcIDMap {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var list []syscall.SysProcIDMap
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.Atoi(f[0])
		count, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil {
			list = append(list, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: count})
		}
	}
	return list
}

// mapHas says whether a file such as /proc/self/uid_map has the id.
func mapHas(file string, id int) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.Atoi(f[0])
		count, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && id >= first && id < first+count {
			return true
		}
	}
	return false
}
