// Package golang is the buildpack s2i/go: Go modules and workspaces (buildpack §Detection, §Build).
//
// Detection reads go.mod and go.work, parses the headers of the Go files as the go command would, and so knows every
// main package and whether any of them needs cgo before a toolchain is there. It requires of the stack
//
//   - go, at least the newest of the go and toolchain lines, for the build;
//   - build-essential for the build and base for the launch, when cgo is needed, and the packages of C libraries that
//     known modules and "#cgo pkg-config" name;
//   - git for the build, when modules may come straight from a repository.
//
// Without cgo the binaries are static and the app runs on the smallest base there is.
//
// The build makes every main package a process: the only one is called web; of several, each is called as its package
// is, and the default is the one called as the module, or server, web, api or app, or the only one that imports
// net/http or a framework. If nothing tells, and no Procfile does, the build stops with the list. Programs in
// directories for developers (examples, tools, hack, scripts …) are left out when there are others.
//
// A package.json with a script "build" beside it, or in frontend, web and the like, is built before, so that
// "//go:embed" finds what it makes.
//
// What the app keeps on disk: the Go sources are removed from the app's directory (Go, C and assembly files, go.mod,
// go.sum, go.work, vendor, testdata), everything else stays, because programs read templates, migrations and static
// files relative to their working directory. S2I_GO_KEEP narrows that down.
//
// The user's settings, all optional:
//
//	S2I_GO_VERSION      the version of Go, instead of what go.mod says: "1.25", "1.25.4", ">=1.25"
//	S2I_GO_TARGETS      packages to build, instead of all: "./cmd/server ./cmd/worker"; the first is the default
//	S2I_GO_BUILD_FLAGS  flags for go build besides our own: "-tags=netgo"
//	S2I_GO_LDFLAGS      flags for the linker instead of -s -w
//	S2I_GO_KEEP         globs of the files that stay in the app's directory, instead of all but sources
//	CGO_ENABLED         1 or 0, instead of what the sources say
//	GOFLAGS, GOPROXY, GOPRIVATE, GONOSUMDB and the like, as the go command has them
//
// Credentials for private modules come as bindings, files that no layer holds: type netrc with the entry .netrc, type
// git-credentials with the entry credentials.
//
// Binaries are stripped (-s -w): a third smaller, faster to link, and stack traces of panics are as good. They are
// reproducible: -trimpath, -buildvcs=false. The build ID stays in, since it is a function of the inputs.
package golang
