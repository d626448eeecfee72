// Package rust is the buildpack s2i/rust: Cargo packages and workspaces (buildpack §Detection, §Build).
//
// # What it decides
//
// Detection reads Cargo.toml and those of the workspace's members, and so knows every program as cargo does:
// src/main.rs, src/bin/*, [[bin]], without those whose required features are off. Programs of the default members
// count, or of the root package, or of all members. Each becomes a process; the only one is called web, of several each
// is called as it is. The default is that of default-run, then one that is called as the app's package, then server,
// web, api or app (also as the end of a name), then the only one whose package depends on a crate for servers. If
// nothing tells, and no Procfile does, the build stops with the list.
//
// The version of Rust is at least what rust-version, the edition and the format of Cargo.lock ask for. An exact version
// in rust-toolchain(.toml), .rust-version, .tool-versions or mise.toml is taken if the stack has it, else a later one:
// Rust is stable across versions. Nightly and beta toolchains, and #![feature], are refused, naming the line.
//
// Crates that link to system libraries or call compilers (-sys crates, prost-build, cmake, bindgen) need packages in
// the build image; Cargo.lock tells which. What the binaries load at run time is found by the platform.
//
// # What it does
//
// cargo fetch and cargo build --release --locked run with two directories that are kept between builds: the downloaded
// crates, and all that was compiled. Cargo recognises changed sources by their time, and all files of an app carry the
// same one; so files get times by their contents (times.go). After a change, only the crates of the app that changed
// are compiled. Without a Cargo.lock the crates are resolved once, with a warning; a lock that does not fit is an error
// that lists the differences.
//
// Binaries hold no path of the build (--remap-path-prefix) and are stripped, unless the release profile says something
// about strip. Only they are in the image: *.rs, Cargo.toml, Cargo.lock, .cargo, vendored crates and target are removed
// from the app's directory. Everything else stays, because programs read templates, migrations, static files and
// Rocket.toml relative to their working directory. S2I_RUST_KEEP narrows that down.
//
// PORT has a default; programs that depend on Rocket get ROCKET_PORT and ROCKET_ADDRESS from it.
//
// # Settings
//
//	S2I_RUST_VERSION      the version of Rust, instead of what the files say
//	S2I_APP               the package of a workspace to build, by directory or name
//	S2I_RUST_BINS         the programs to build, instead of all: "api worker"; the first is the default
//	S2I_RUST_BUILD_FLAGS  flags for cargo build besides our own: "--features tls"
//	S2I_RUST_KEEP         globs of the files that stay in the app's directory, instead of all but sources
//	RUSTFLAGS and CARGO_… as cargo has them
//
// Where the public registry is replaced by a mirror, the platform says so in S2I_CARGO_REGISTRY; the app's own .cargo/config.toml
// comes before it. Credentials come as bindings, which no layer holds: type cargo with credentials.toml and config.toml,
// type netrc with .netrc and type git-credentials with credentials for crates from repositories; or as secrets:
// credentials.toml, .netrc, CARGO_REGISTRIES_NAME_TOKEN. They are there while crates are fetched, and not when the code
// of crates runs.
package rust
