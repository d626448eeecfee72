// Package other is the buildpack s2i/other: it recognises apps that s2i cannot build and refuses them by name, with the
// file that tells, what is missing, and the way out (buildpack §Detection: it errs). It stands last in the order, so it is
// heard only when no other buildpack builds the app.
//
// It tells apart
//
//   - languages whose tools are on no registry that s2i reads, or for which there is no buildpack;
//   - descriptions of how to build or run something: infrastructure code; they count only when nothing
//     else is there;
//   - directories that hold nothing, or whose apps are in directories below.
//
// What is left may be a shell script, and is built: start.sh or a name like it, or the one that S2I_APP names. Its shell, the basic commands, and the packages of commands in it that every machine seems to have get
// into the image; others come with S2I_RUN_PACKAGES.
package other
