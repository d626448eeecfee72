// Package deno is the buildpack s2i/deno: TypeScript and JavaScript on Deno (buildpack §Detection, §Build).
//
// # What it decides
//
// An app is Deno's when it has a deno.json or deno.jsonc, or a deno.lock, and something to start: the task "start",
// unless that watches files, which is for developers; else the file of "exports" or main.ts, server.ts, app.ts and the
// like. S2I_DENO_MAIN names another file. A configuration without anything to start is taken for that of a formatter in
// an app of another language.
//
// The task's command is taken apart: "deno run --allow-net main.ts" becomes a process of that program and those
// permissions, with no shell and no task runner before it. Without a task the program gets the permission set of the
// configuration, or all permissions: the container is the boundary then. A file whose default export has a fetch
// handler is started by deno serve.
//
// PORT: deno serve gets it as --port; for Deno.serve in the program, Deno's own variable DENO_SERVE_ADDRESS holds it,
// unless a source file reads PORT itself.
//
// # What it does
//
// deno install and deno cache fill the layer "cache" with exactly what deno.lock says, or fail; without a lock they
// resolve once, with a warning. The directory of npm packages is named after the registry they came from; it gets a
// name of its own, so that the image does not tell, nor depend on, which mirror that was. Documents of the registry and
// Deno's databases are left out: the lock has all that is needed. At run time nothing is fetched (--cached-only).
// Where the app asks for a node_modules directory, it is made in the app. The task "build" is run when there is one.
//
// # Settings
//
//	S2I_DENO_VERSION  the version of Deno: "2", ">=2.1"
//	S2I_DENO_MAIN     the file to start: "src/server.ts"
//	S2I_APP           the member of a workspace to start, by directory
//
// npm's registry comes from .npmrc or npm_config_registry; credentials come as a binding of type npmrc with .npmrc.
package deno
