// Package other is the buildpack s2i/other: it recognises apps that s2i cannot build and refuses them by name, with the
// file that tells, what is missing, and the way out (buildpack §Detection: it errs, and never passes). It stands last in
// the order, so it is heard only when no other buildpack builds the app.
//
// It tells apart
//
//   - languages whose tools are on no registry that s2i reads, or for which there is no buildpack;
//   - descriptions of how to build or run something: infrastructure code; they count only when nothing
//     else is there;
//   - directories that hold nothing, or whose apps are in directories below.
package other
