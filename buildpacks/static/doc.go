// Package static is the buildpack s2i/static: sites that need no build. It finds where the files are; s2i/static-server,
// which comes after it, serves them.
//
// A site is a Staticfile, or an index.html in the app or in one of the directories public, dist, _site, build, out,
// www, docs, htdocs and site. An app whose package.json has a script "build" is none: s2i/node builds it.
//
// A Staticfile is lines "key: value":
//
//	root: public            the directory of the files
//	index_fallback: true    answer pages that do not exist with index.html; pushstate: enabled means the same
//	force_https: true       redirect what a proxy received without encryption
//	http_strict_transport_security: true, …_include_subdomains, …_preload
//
// What other readers of a Staticfile know and our server does not do (listings of directories, server-side includes,
// parts of another server's configuration, Staticfile.auth) is an error that says so.
//
// Environment variables of the build: S2I_STATIC_ROOT, S2I_STATIC_INDEX_FALLBACK.
package static
