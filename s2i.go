// Package s2i turns a source tree into a runnable, minimal, reproducible OCI image, without a daemon and without root.
//
// The command is cmd/s2i; this package holds only what describes the whole: the built-in builder. ARCHITECTURE.md is
// the map of the rest.
package s2i

import _ "embed"

// BuilderTOML is builder.toml, the built-in builder: the stack that supplies base images and packages, and the order
// in which the built-in buildpacks are tried.
//
//go:embed builder.toml
var BuilderTOML []byte
