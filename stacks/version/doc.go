// Package version chooses versions as a solver does: it reads what the files of an app demand, each in the grammar of
// its ecosystem, intersects all of it, and picks from the versions that can be had. The answer tells for every
// constraint whether it counted, and for every version why it was not taken.
//
// Constraints have kinds. A range must be met. A minimum is met by what it names and everything later. A hint (a file
// for developers, such as .nvmrc) counts as long as something meets it. An override is the user's word for one build,
// and then nothing else counts.
//
// With the policy Compatible, what cannot be had exactly gives way as far as the ecosystem holds it safe: a pinned
// patch release to another one of its line, a pinned toolchain to a newer one, and hints altogether. Strict never
// gives way.
//
// All input is untrusted: texts are bounded, numbers may be absurd, and nothing panics.
package version
