// Package sandbox runs one process in a root filesystem, with mounts, a user, a network and limits of its own.
//
// OCI leaves the isolation to an OCI runtime (runc, crun, or any other that understands config.json of the OCI runtime
// specification 1.0). What surrounds it is ours:
//
//	s2i ──fork──► s2i-sandbox (pid 1 of a new pid namespace; new mount and, for ordinary users, user namespace)
//	                 mounts: overlay of Rootfs, /proc, one tmpfs with the bundle and the runtime's state
//	                 └─fork──► runc run --detach ──► the process (pid 1 of its own pid namespace)
//
// Everything that a run mounts or starts lives in namespaces that die with s2i-sandbox, and s2i-sandbox dies with s2i,
// also when that is killed with SIGKILL. What can be left behind then is what overlayfs keeps in Rootfs.Work, and an empty directory in Options.TempDir and, when limits were asked for, an empty cgroup, which
// the next such run removes.
//
// # Who the process is
//
// As root it has the user and group that the caller asks for. So it has for an ordinary user with subordinate ids, whom
// Enter makes root of a user namespace first. Without them user 0 inside is the calling user outside, the process is user
// 0, and the files that it makes belong to the caller.
//
// # What the process may do
//
// It has no capabilities, cannot gain privileges, and is under the default seccomp profile of Docker and podman. Its
// environment is what Process.Env says and nothing else; no descriptor but the three standard ones reaches it. The root
// is read-only unless Rootfs.Upper is set.
//
// # Without isolation
//
// Direct runs the process in place, for containers and pods that are isolated already and where namespaces are
// forbidden.
//
// A program that uses OCI or Enter calls Main first thing in its main function, and a test binary in its TestMain, because
// s2i-sandbox is the program itself, started again.
package sandbox
