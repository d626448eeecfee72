// Package buildpacks lists the built-in buildpacks and runs them in the three ways that s2i needs:
//
//   - in-process: [Detect] runs a detection as a function of two directories, without touching the process's own
//     directory, environment or output;
//   - as executables: [Install] writes the on-disk form of buildpack §Buildpack Interface, in which bin/detect and
//     bin/build are links to the s2i binary, and [Main] is what that binary does when it is called by such a link;
//   - as data: [All] gives every buildpack's descriptor and its pure functions.
//
// A built-in buildpack takes the same path through the lifecycle as anybody else's.
package buildpacks
