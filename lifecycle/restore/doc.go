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
// A Cache is one of: Dir (ours: layers are directories that are moved, never copied), Volume (the reference
// lifecycle's -cache-dir) and Image (its -cache-image).
package restore
