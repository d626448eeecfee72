// Package archive writes deterministic tar streams and extracts untrusted ones safely.
//
// Out: the tar form of the reference CNB lifecycle, byte for byte, so that layers of existing images are recognised:
// names as given, no trailing slash on directories, one fixed time, no user or group names, no access times, Go's
// tar.FormatUnknown (USTAR, and PAX only where a field does not fit). A name that is not ASCII, or not even UTF-8,
// goes into a PAX record with its bytes as they are; no file name holds the NUL that PAX cannot carry.
//
// In: every name is resolved inside an os.Root as a process with that root directory would resolve it, sizes and
// counts are bounded by Limits, and whiteouts (OCI image specification, layer.md) are refused, applied or turned into
// overlayfs's form, as asked.
package archive

import (
	"fmt"
	"time"
)

// Epoch is the time of every entry: 1980-01-01T00:00:01Z, as in the reference lifecycle.
var Epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// OwnerXattr is the extended attribute in which Extract records "uid:gid" of an entry that it could not give to its
// owner, because the process may not.
const OwnerXattr = "user.s2i.owner"

// ModeXattr is the extended attribute in which the permissions are recorded, in octal, of a file that got more of them so
// that an ordinary user can read it; after a colon those that it got. It holds as long as the file has these.
const ModeXattr = "user.s2i.mode"

// Readable gives permissions that let an ordinary user read his own file or directory, and what to record of it in
// ModeXattr; nothing when they do already.
func Readable(mode uint32, dir bool) (readable uint32, record string) {
	need := uint32(0o400)
	if dir {
		need = 0o700
	}
	if mode&need == need {
		return mode, ""
	}
	return mode | need, fmt.Sprintf("%o:%o", mode, mode|need)
}

// RecordedMode gives a file's permissions, those on disk or those that are recorded.
func RecordedMode(disk uint32, record string) uint32 {
	var mode, readable uint32
	if n, err := fmt.Sscanf(record, "%o:%o", &mode, &readable); err != nil || n != 2 || readable != disk {
		return disk
	}
	return mode & 0o7777
}

// XattrRecord is what a PAX record's key starts with when the record is an extended attribute.
const XattrRecord = "SCHILY.xattr."
