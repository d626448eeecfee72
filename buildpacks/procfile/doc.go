// Package procfile is the buildpack s2i/procfile: the processes that an app's Procfile names (buildpack §launch.toml).
//
// A line is "type: command"; blank lines and lines that start with # or // are comments. A type is letters, digits,
// "-" and "_", at most 63 of them, and stands once. One bad line makes the whole file bad: a process that silently
// does not exist is worse than a failed build. The process web is the default.
//
// A command in which there is nothing for a shell to do is started without one, so that it is process 1 and gets the
// signals. Any other is run by sh, which the run image then contains: the stack package dash is required for the
// launch. A shell that runs one command only is replaced by it.
//
// Commands that start with a JavaScript package manager ("npm start", "yarn run worker") are left to s2i/node when the
// app has a package.json: package managers are not in the run image.
//
// The buildpack adds processes to those of the buildpacks before it and replaces those of the same type. Alone it also
// builds apps that need no build: a binary and a Procfile.
package procfile
