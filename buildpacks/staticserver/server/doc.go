// Package server is the static file server that s2i puts into images: the program of cmd/static-server.
//
// It serves the files of one site, which a JSON file made at build time lists with their sizes, types, digests and
// compressed forms ([Site]); nothing is compressed or hashed when it runs, and what is not listed is not there. HTTP
// semantics are those of RFC 9110: HEAD, ranges, conditional requests by entity tag, negotiated content codings.
//
//	/about            the file about, else about.html, else a redirect to /about/ when there is about/index.html
//	/about/           about/index.html, else about.html
//	/no/such/page     a redirect rule, else index.html when the site routes in the browser, else 404.html
//	/no/such/file.js  404: what is fetched by its name is never answered with a page
//	/healthz          "ok", unless the site has such a file
//
// Names that begin with a dot are never served, except below .well-known; directories are never listed; symlinks do
// not lead out of the root. The server listens on PORT (8080), ends gracefully on SIGTERM, and logs requests when
// S2I_ACCESS_LOG is set. With [FastCGI] it also starts a FastCGI program, passes on to it what is no file, and ends
// with it.
//
// The program is in images whose base has no libc, and starts with every container: it imports nothing but the
// standard library, and of that no more than it needs.
package server
