// Package staticserver is the buildpack s2i/static-server: it serves files that a buildpack before it in the group has
// left, by our own server (package server), and contributes the process web (buildpack §launch.toml).
//
// The other buildpack provides the name static-site and tells what to serve with [kit.Site]. The build lists the files
// with their digests, which are their entity tags, makes compressed forms of those that become much smaller, and writes
// all of it into the layer site; unless the site is to be kept where it is, nothing else of the app stays in the image.
// The layer is a function of the files and the settings: when they have not changed, that of the previous image is used.
//
// Compressed forms are gzip, which everything understands, and zstd, which is smaller and quicker to unpack. Forms that
// the app's own build has made (app.js.gz, app.js.br) are used as they are.
//
// The files _headers and _redirects in the root, as several hosts of static sites read them, are honoured.
package staticserver
