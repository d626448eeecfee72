// Package extend applies what image extensions generate: Dockerfiles that change the image that buildpacks run on, and
// the one that the app will run on (buildpacks specification, image_extension.md; platform §extender).
//
// Read reads what one extension left in its output directory; Choose finds out which of the run.Dockerfiles count, and
// whether one of them switches to another run image; Apply builds the Dockerfiles, each on the result of the one before,
// with the engine of package dockerfile. So an extension's layers are cached like those of any Dockerfile.
package extend
