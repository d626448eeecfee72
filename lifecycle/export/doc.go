// Package export is the export phase: it turns the directories that a build left behind into an image on top of the
// run image (platform §exporter, buildpack §Phase #4: Export). It makes the image and never sends it anywhere.
//
// From the bottom up the image holds the run image's layers, one layer per launch layer of each buildpack (in the order
// of the group, and by name within a buildpack), the launch part of the bill of materials, one layer per slice of the
// app and one with the rest of it, the launcher, its configuration, and the links that start processes.
//
// Layers have the reference lifecycle's tar form byte for byte, so they are the same layers whoever built them. The
// directories above a layer (/layers, /layers/<buildpack>) are recorded as the reference records them in an image
// built with a standard builder, whatever they are on this machine: mode 0755, owned by the build's user; /cnb and
// what is below it belongs to root. No clock, host path, host user, file order or number of CPUs reaches the image.
//
// A directory that did not change since it was exported last is not read again: what stat tells about its files leads
// to the layer in the store. Layers are made in parallel, and each in one pass.
package export
