// Package node is the buildpack s2i/node: JavaScript and TypeScript on Node.js with npm, pnpm or yarn (buildpack
// §Detection, §Build).
//
// # What it decides
//
// The package manager is the one that packageManager in package.json names, or else the one whose lock file is there.
// Two lock files and no packageManager are an error. The manager's version is the exact one of packageManager, or
// follows from the lock file's own version.
//
// The version of Node is what package.json (volta, engines, devEngines), .nvmrc, .node-version and .tool-versions say,
// all of it at once; S2I_NODE_VERSION alone when it is set. lts/* and the like mean any.
//
// The process web is the script "start", unless that starts a development server; then start:prod and its like; then
// the file that main names; then server.js, index.js, app.js. Commands are resolved to what they come down to and
// started without a shell and without a package manager: "npm start" is looked up, "next start" becomes node with the
// file of that command, NODE_ENV=production in front becomes environment. Only where the text needs one is a shell
// used, which then is in the run image. prestart runs once, at the end of the build. A Procfile's web wins; its
// commands that begin with a package manager are resolved the same way.
//
// # What it does
//
// The manager installs exactly what the lock file says, or fails. It runs not in the app but in a copy of the files
// that matter to it (manifests without scripts, lock, configuration, patches), inside a layer; then the app's own
// scripts run in the app: install, postinstall and prepare, then build, each with those around it. Development
// dependencies are installed when there are such scripts.
//
// What goes into the image is worked out on the installed files: the packages that can be reached from the
// dependencies. That is the same for all package managers, leaves their state files and caches out, and packages for
// another C library, and what node-gyp leaves behind. It is a layer of its own, to which node_modules in the app is a
// symlink. Node resolves symlinks first, so a package finds others next to itself in the layer, and the app finds them
// through the link. When the key (lock, manifests, version of Node) is the previous image's, nothing is installed and
// the layer is taken over as it is; with a build script, the installation comes from the cache, too. If scripts write
// into node_modules, as code generators do, nothing is reused.
//
// Yarn's plug'n'play is not used: such apps get a node_modules directory as well.
//
// Workspaces keep their layout. S2I_NODE_APP chooses the package to start, by directory or name; without it, it is the
// root or the only package with a start script. Only what that package needs is in the layer of packages.
//
// # Settings
//
//	S2I_NODE_VERSION   the version of Node: "22", ">=20.9"
//	S2I_NODE_APP       the package of a workspace to start: "packages/api", "@acme/api"
//	S2I_NODE_NATIVE    1 or 0: whether packages are compiled, instead of what the lock file lets expect
//
// Package managers read their registries from their own configuration: .npmrc, .yarnrc.yml, npm_config_registry.
// Credentials come as bindings: type npmrc with the entry .npmrc, type yarnrc with .yarnrc.yml.
package node
