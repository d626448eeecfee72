// Package java is the buildpack s2i/java: Java and Kotlin apps built with Maven, or with Gradle where it can be had, and
// jars and wars that are built already (buildpack §Detection, §Build).
//
// Detection reads the POMs of the app itself, without Maven: modules, parents that are in the app, properties, plugins.
// Parents in a repository are not read; of the usual ones it is known what they set. Document types and their entities
// are refused. It requires of the stack
//
//   - jdk for the build, with everything that the app says about its Java: what the compilers are told is a minimum,
//     since a newer Java compiles for older ones as well, what version managers say a hint;
//   - maven for the build, in the version that the wrapper's properties name; the wrapper script is never run;
//   - base for the launch, or jre when the stack's Java runtime is asked for;
//   - node and npm for the build, where frontend-maven-plugin would download Node.js.
//
// The module to start is the one that is an app: by Spring Boot's or Quarkus' plugin, as a war, by a main class that a
// plugin names, or the only one in its sources. Libraries of other modules are not it. Of several that are equally good
// none is chosen: the build stops with the list. A Procfile whose web process starts what the build makes decides alone.
//
// The build runs `mvn package` without tests, always with the same time in archives. Maven's repository is a cache layer.
// Then the app's directory is replaced by what runs, in slices that change apart: libraries, libraries that change
// (snapshots and the app's own modules), resources, classes. The class path is the variable CLASSPATH, in Maven's order;
// the process names the main class, which is verified to be there. Quarkus' own layout stays as it is; a war gets Tomcat
// from Maven's repository, a war of Spring Boot starts by itself.
//
// The Java runtime is made by jlink of the modules that the app's classes and libraries refer to, and of those that are
// used by name or as services: a third of the size of the stack's runtime, and nothing in it that the app cannot reach.
// It is a layer of the app, so its patches come with a rebuild, which takes seconds. S2I_JRE=stack puts the stack's
// runtime below the app instead, which a rebase patches. (jdeps is not used for finding the modules: it stops at jars
// that are modules with missing requirements, and does not see classes that are named in strings.)
//
// The options of the virtual machine that depend on the container are defaults in the runtime itself, so that no shell is
// needed to compute them and JAVA_TOOL_OPTIONS and JDK_JAVA_OPTIONS stay the user's.
//
// The user's settings, all optional:
//
//	S2I_JAVA_VERSION   the version of Java, instead of what the app says: "21"
//	S2I_MAVEN_VERSION  the version of Maven
//	S2I_MAVEN_ARGS     options and goals for mvn; with a goal they replace -DskipTests package
//	S2I_APP            the module to start: its directory or its artifact; or which of several jars
//	S2I_MAIN_CLASS     the class to start
//	S2I_JAVA_ARGS      arguments for the app
//	S2I_JRE            jlink (the default) or stack
//	S2I_JRE_MODULES    modules of the runtime besides those that are found
//	S2I_JAVA_KEEP      globs of files of the app that stay beside what was built
//	S2I_MAVEN_MIRROR   a mirror of the central repository, when there are no settings
//	S2I_GRADLE_MIRROR  the address of a directory with Gradle's distributions, or "wrapper" for that of the wrapper
//	S2I_GRADLE_TASKS   tasks instead of those that are chosen by the plugins
//
// Credentials for private repositories come as a binding of type maven with settings.xml, and settings-security.xml when
// it is needed, or as a secret settings.xml: files that no layer holds.
package java
