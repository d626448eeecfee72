// Package restore is the restore phase (platform §restorer, buildpack §Layer Types): it puts back what earlier builds
// left behind, so that buildpacks find it and need not make it again. It also keeps the cache between builds, in both
// directions: Layers takes layers out of a Cache, and Save puts those of a finished build into it.
//
// What comes back follows from a layer's types in the build before, cached in this order of precedence:
//
//	build cache launch   <layer>.toml and SBOM       contents
//	 any   yes   no      from the cache              yes
//	 any   yes   yes     if the cache's contents are those of the previous image, else nothing comes back
//	 no    no    yes     from the previous image     no
//	otherwise            no                          no
//
// A restored <layer>.toml has no [types]: the buildpack decides anew. store.toml always comes back.
//
// The cache is Dir: its layers are directories that are moved, never copied. The reference lifecycle's caches of tar
// files and in images are not supported.
package restore
