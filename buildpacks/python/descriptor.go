package python

import _ "embed"

// Version is that of buildpack.toml.
const Version = "0.1.0"

//go:embed buildpack.toml
var descriptor []byte

// Descriptor gives the text of buildpack.toml.
func Descriptor() []byte { return descriptor }
