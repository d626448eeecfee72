// Package lifecycle holds the nouns of the Cloud Native Buildpacks specification: the types, their TOML and JSON
// forms, the names of labels, files and environment variables, and the exit codes.
//
// It contains no behaviour beyond reading, writing and validating those forms, and it imports nothing of this module,
// so every other package can speak its vocabulary. The phases of the specification are the packages below it, each
// named as its phase: analyze, restore, build, export, rebase, launch (detect is a package at the root, because it is
// also what people run by hand). References of the form "platform §Run Image" and "buildpack §Layer Types" are to
// platform.md (API 0.15) and buildpack.md (APIs 0.7 to 0.12) of the specification.
package lifecycle
