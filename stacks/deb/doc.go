// Package deb reads Debian binary packages (deb(5)): the ar container, the control file and md5sums, and the data tar
// in any of its compressions (xz, zstd, gzip, none).
//
// A .deb is untrusted input even after its digest was verified: every size is bounded, every name is checked, and
// nothing is ever run or written to the disk here.
package deb

import "errors"

// ErrFormat is in the chain of the error when a file is no Debian package, or a broken one.
var ErrFormat = errors.New("not a well-formed Debian package")

// Limits of what is read. They are far above any real package.
const (
	maxMembers      = 16
	maxControlBytes = 64 << 20 // unpacked control.tar
	maxControlFile  = 8 << 20  // one file in it that we keep
	maxDataBytes    = 16 << 30 // unpacked data.tar
	maxDictionary   = 128 << 20
)
