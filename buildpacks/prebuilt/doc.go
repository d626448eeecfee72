// Package prebuilt is the buildpack s2i/prebuilt: a program for Linux that was built elsewhere and is in the app
// (buildpack §Detection, §Build).
//
// Executables in the app's directory and in bin are candidates; S2I_APP names one anywhere. They are told by their
// contents (ELF, System V ABI), not by name or mode: libraries, and programs for other systems, are none. The headers
// are read with bounds and without trust, by a reader of our own.
//
// The only one becomes the process web. Of several, each becomes a process called as its file, and the default is
// server, web, api or app; if nothing tells, and no Procfile does, the build stops with the list. Programs that differ
// in nothing but the processor, such as server-amd64 and server-arm64, are one: the image's processor chooses.
//
// A static program runs on the smallest base. A dynamic one needs the base with the C library of its interpreter, GNU's
// or musl; what else it loads is found by the platform. One for another processor, or with an interpreter that is in no
// package, is refused.
//
// Nothing of the app is removed. PORT has a default.
package prebuilt
