// Package greeting greets.
package greeting

// Hello says where it comes from.
func Hello() string { return "hello from a vendored package" }
