// Package node is two buildpacks. s2i/node: JavaScript and TypeScript apps, on Node.js or bun, with npm, pnpm, yarn or
// bun; s2i/frontend: the JavaScript part of an app in another language (buildpack §Detection, §Build).
//
// # What it decides
//
// The package manager is the one that packageManager in package.json names, or else the one whose lock file is there.
// Two lock files and no packageManager are an error. The manager's version is the exact one of packageManager, or
// follows from the lock file's own version.
//
// The version of Node is what package.json (engines; volta and devEngines as hints), .nvmrc, .node-version,
// .tool-versions and mise.toml say, all of it at once; S2I_NODE_VERSION alone when it is set. lts/* and the like mean
// any.
//
// The framework is recognised by the dependencies and by its configuration, which is read and not run: Next.js, Nuxt,
// Remix and React Router, SvelteKit, Astro, TanStack Start, Angular, Nest, generators of static pages, and apps that
// Vite, Create React App, Vue CLI, Rsbuild, Parcel or Expo build for the browser. It tells what the build makes: a
// server, or static files, which s2i/static-server serves without Node. SvelteKit's adapter-auto, which would fetch a
// package while it builds, stands for adapter-node, installed beside the app's packages; what TanStack Start makes without
// nitro, a handler of requests, gets a small server of ours.
//
// The process web is the script "start", unless that starts a development server, or does no more than the framework's
// own way; then start:prod and its like; then the framework's way; then the file that main names; then server.js,
// index.js, app.js. Commands are resolved to what they come down to and started without a shell and without a package
// manager: "npm start" is looked up, "next start" becomes node with the server that the build made, NODE_ENV=production
// in front becomes environment. Only where the text needs one is a shell used, which then is in the run image. prestart
// runs once, at the end of the build. A Procfile's web wins; its commands that begin with a package manager are resolved
// the same way. Several packages of a workspace that can be started are an error that lists them.
//
// # What it does
//
// The manager installs exactly what the lock file says, or fails. It runs not in the app but in a copy of the files
// that matter to it (manifests without scripts, lock, configuration, patches), inside a layer. Then the sources are
// copied around the node_modules that it made, and the app's own scripts run there: install, postinstall and prepare,
// then build, each with those around it. Bundlers refuse a node_modules that is a symlink, and moving an installation
// into the app would cost more than copying sources. What the scripts make, change and remove is brought to the app; or
// only the output, when the framework's output is all that runs. Development dependencies are installed when there are
// scripts.
//
// What goes into the image is worked out on the installed files: the packages that can be reached from the
// dependencies. That is the same for all package managers, leaves their state files and caches out, and packages for
// another C library, and what node-gyp leaves behind. It is a layer of its own, to which node_modules in the app is a
// symlink. Node resolves symlinks first, so a package finds others next to itself in the layer, and the app finds them
// through the link. Outputs that hold their packages (Next.js, which is built standalone, and Nitro's) need no such
// layer. When the key (lock, manifests, version of Node) is the previous image's, nothing is installed and the layer is
// taken over as it is; with a build script, the installation comes from the cache, too. If scripts write into
// node_modules, as code generators do, nothing is reused.
//
// What build tools keep for themselves (.next/cache, node_modules/.cache, .angular/cache, turbo's and nx's …) is kept in a
// layer, and put back as long as the packages are the same. A build makes the same with and without it: sources get
// times that their contents decide, and what tools remember of answers from elsewhere, or of IDs, is not kept.
//
// Builds can be repeated. What frameworks draw at random or read off the clock (build IDs, keys, the times of files) is
// made from the digest of the sources: by their own settings (Astro, Next's keys), by a program that is loaded before
// the build (Next's build ID), or by a change to the installed package (SvelteKit, Nuxt, Nitro, Astro). Keys made from
// the sources are known to who knows the sources; NEXT_SERVER_ACTIONS_ENCRYPTION_KEY and ASTRO_KEY, when they are set
// for the build, are used instead.
//
// Yarn's plug'n'play is not used: such apps get a node_modules directory as well, from the packages that they bring
// along when they do.
//
// Workspaces keep their layout. S2I_APP chooses the package to start, by directory or name; without it, it is the root
// or the only package that can be started. turbo and nx build that package and what it needs. Only what that package
// needs is in the layer of packages.
//
// # Settings
//
//	S2I_NODE_VERSION   the version of Node: "22", ">=20.9"
//	S2I_APP            the package of a workspace to start: "packages/api", "@acme/api"
//	S2I_NODE_NATIVE    1 or 0: whether packages are compiled, instead of what the lock file lets expect
//	S2I_NODE_KEEP      more files for the image, where only a framework's output is kept: "content data/*.json"
//
// Package managers read their registries from their own configuration: .npmrc, .yarnrc.yml, npm_config_registry.
// Credentials come as bindings (type npmrc with the entry .npmrc, type yarnrc with .yarnrc.yml), as secrets of those
// names, or as secrets named like the variables that the configuration refers to (${NPM_TOKEN}). Only the package
// manager sees them, not the app's scripts.
package node
