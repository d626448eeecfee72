// Package native knows what an app's machine code needs: which shared libraries its executables and libraries are linked
// with, which of those nobody provides, and whether the programs that its processes start can be started at all.
//
// A Scanner reads the ELF files of one layer, headers only. Files for other architectures and other C libraries are
// passed over: packages with ready-made add-ons bring them for every system. What the scans of all layers found
// together tells which libraries the run image has to have (Missing); whoever composes run images adds the packages
// that have them. What nobody has is judged by who needs it (Judge): an add-on that the app loads by its name is as good
// as sure to be loaded, a plugin among many is not.
//
// CheckProcesses follows the launcher (platform §launcher) on its way to each process's program, in the app, its layers
// and the run image, and reports what would fail there.
package native
