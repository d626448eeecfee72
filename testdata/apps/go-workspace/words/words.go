// Package words is used by a module next to it.
package words

// Hello greets.
const Hello = "hello from a workspace"
