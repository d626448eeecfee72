package php

import _ "embed"

// Version is the buildpack's version, as in buildpack.toml.
const Version = "0.1.0"

//go:embed buildpack.toml
var descriptor string

// Descriptor gives the text of buildpack.toml.
func Descriptor() []byte { return []byte(descriptor) }
