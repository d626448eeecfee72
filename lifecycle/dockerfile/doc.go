// Package dockerfile builds images from Dockerfiles with the semantics of BuildKit's Dockerfile frontend (moby/buildkit
// frontend/dockerfile/docs/reference.md), without a daemon and on the same engine as everything else: the store's
// layers, the sandbox, lazy images.
//
// The way of a build:
//
//	Parse     text → File: stages of typed instructions, by BuildKit's own parser
//	plan      which stages the target needs
//	evaluate  per stage, instruction by instruction: configuration now, file system later
//	          a layer is a node with a key (what it is made from) and a way to make it
//	force     only what the result needs and no cache has: RUN in the sandbox, COPY as a tar stream
//	Image     base + layers + configuration + history → v1.Image
//
// Keys have two levels. The key of a RUN is its definition over the key of what it runs on. The key of a COPY holds the
// content of exactly the files that it copies; what content a stage's files have is itself remembered by the stage's
// key, so that an unchanged COPY --from needs neither the stage's files nor the stage itself. Nothing is looked up in
// order: a miss says nothing about the instructions after it.
//
// COPY and ADD write the layer straight from their sources. Where they go in the image is decided on listings of the
// layers below (package listing), so that a stage that only copies is never unpacked.
package dockerfile
