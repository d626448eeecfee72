package sandbox

import (
	"bufio"
	"io"
	"path"
	"slices"
	"strings"
)

// hierarchy is a mounted tree of cgroups, and where in it this process is.
type hierarchy struct {
	// Point is the directory of the hierarchy's root, or of the part of it that is visible.
	Point string
	// Own is the cgroup of this process, relative to Point; "." is Point itself.
	Own string
	// V2 says that this is the one hierarchy of version 2.
	V2 bool
	// Controllers are those of a hierarchy of version 1.
	Controllers []string
}

// maxProcFile bounds what is read of a file in /proc, in bytes.
const maxProcFile = 16 << 20

// parseHierarchies reads the form of /proc/self/mountinfo and /proc/self/cgroup.
func parseHierarchies(mountinfo, cgroups io.Reader) []hierarchy {
	own := ownCgroups(cgroups)
	var list []hierarchy
	sc := bufio.NewScanner(io.LimitReader(mountinfo, maxProcFile))
	for sc.Scan() {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		root, point := unescape(l[3]), unescape(l[4])
		h := hierarchy{Point: point}
		switch r[0] {
		case "cgroup2":
			h.V2, h.Own = true, below(root, own[""])
		case "cgroup":
			for _, o := range strings.Split(r[2], ",") {
				if path, ok := own[o]; ok && o != "" {
					h.Controllers = append(h.Controllers, o)
					h.Own = below(root, path)
				}
			}
		}
		if h.V2 || len(h.Controllers) > 0 {
			list = append(list, h)
		}
	}
	return list
}

// ownCgroups reads the cgroup of every controller from the form of /proc/self/cgroup; that of version 2 has no name.
func ownCgroups(r io.Reader) map[string]string {
	own := map[string]string{}
	sc := bufio.NewScanner(io.LimitReader(r, maxProcFile))
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			own[c] = f[2]
		}
	}
	return own
}

// below gives the cgroup relative to the root of the mount that shows it, or "." when it is not below that root,
// as for a mount that belongs to another cgroup namespace.
func below(root, cgroup string) string {
	root, cgroup = path.Clean("/"+root), path.Clean("/"+cgroup)
	if root == "/" {
		return path.Clean(strings.TrimPrefix(cgroup, "/"))
	}
	rest, ok := strings.CutPrefix(cgroup+"/", root+"/")
	if !ok {
		return "."
	}
	return path.Clean(rest)
}

// unescape undoes the octal escapes of white space in /proc/self/mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// find gives the hierarchy of version 1 that has the controller, or else that of version 2.
func find(list []hierarchy, controller string) (hierarchy, bool) {
	for _, h := range list {
		if slices.Contains(h.Controllers, controller) {
			return h, true
		}
	}
	for _, h := range list {
		if h.V2 {
			return h, true
		}
	}
	return hierarchy{}, false
}

// places are the cgroups below which a new one may be made, the nearest to this process first. In version 2 a cgroup
// with processes has no children with controllers, so the place is often one of the ancestors.
func (h hierarchy) places() []string {
	list := []string{path.Join(h.Point, h.Own)}
	for own := h.Own; h.V2 && own != "."; {
		own = path.Dir(own)
		list = append(list, path.Join(h.Point, own))
	}
	return list
}
