// Package apt resolves Debian packages without apt: it verifies a suite's signed index, reads its package lists and
// finds the dependency closure of a set of packages.
//
// Trust goes from the archive's OpenPGP keys, which are embedded, to InRelease, from its SHA256 sums to the package
// lists, and from their SHA256 sums to each .deb. Nothing that is not covered by that chain is believed.
package apt

import "errors"

// ErrSignature is in the chain of the error when an InRelease file is not signed by a known archive key.
var ErrSignature = errors.New("not signed by a Debian archive key")

// ErrExpired is in the chain of the error when an InRelease file is older than it says it may be.
var ErrExpired = errors.New("the index has expired")

// ErrNoPackage is in the chain of the error when a package, or something it depends on, cannot be found.
var ErrNoPackage = errors.New("no such package in the suite")
