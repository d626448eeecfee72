// Package kit is what the built-in buildpacks share: reading the app's files, saying why, naming requirements, running
// commands, keeping layers. It knows the buildpack side of the specification (buildpack §Detection, §Build) through
// libcnb and nothing of the rest of s2i, so that a buildpack can be lifted out and used with any platform.
//
// A buildpack's Detect reads the app and ends in one of
//
//	return kit.Fail(ctx, "no go.mod in the app")
//	return kit.Pass(kit.Need{Name: "go", Version: kit.Constraint{Value: "1.24", Source: "go.mod:3"}, Build: true}), nil
//
// and its Build runs tools with [Command] and returns layers and processes.
package kit
