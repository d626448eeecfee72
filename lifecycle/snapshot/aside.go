package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"s2i/lifecycle/sandbox"
)

// maxAside bounds the file of owners, in bytes.
const maxAside = 64 << 20

// readAside reads what a sandbox has recorded of links, pipes and other files that can have no attributes: a line with
// inode number and owner for each.
func readAside(work string) (map[uint64]id, error) {
	f, err := os.Open(filepath.Join(work, sandbox.OwnersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the owners of links: %w", err)
	}
	defer f.Close()
	out := map[uint64]id{}
	lines := bufio.NewScanner(io.LimitReader(f, maxAside))
	for lines.Scan() {
		number, owner, _ := strings.Cut(lines.Text(), " ")
		ino, err := strconv.ParseUint(number, 10, 64)
		uid, gid, ok := recorded(owner)
		if err != nil || !ok {
			return nil, fmt.Errorf("reading the owners of links: %q is no owner", lines.Text())
		}
		out[ino] = id{uid, gid}
	}
	return out, lines.Err()
}
