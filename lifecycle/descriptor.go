package lifecycle

// ProjectDescriptor is project.toml, the project descriptor (schemas 0.1, 0.2 and 0.3 of the extension
// specification), as far as it concerns Cloud Native Buildpacks.
type ProjectDescriptor struct {
	// Schema is the schema-version of the file: "0.1", "0.2" or "0.3".
	Schema string
	// The [_] table (in schema 0.1: [project]).
	ID, Name, Version           string
	Authors                     []string
	Licenses                    []License
	DocumentationURL, SourceURL string
	Metadata                    map[string]any

	// Builder is the builder that the project wants; empty means whatever the platform uses.
	Builder string
	// Include and Exclude select files, in the syntax of .gitignore. At most one of them is set.
	Include, Exclude []string
	// Group, when set, replaces the builder's order; Pre and Post go around whatever group is used.
	Group, Pre, Post []ProjectBuildpack
	// Env is the build-time environment. What the user gives on the command line is stronger.
	Env []ProjectEnv
}

// ProjectBuildpack is a buildpack of a project descriptor: one that the builder has (ID, and perhaps Version), one
// from elsewhere (URI), or one written in the file (Script).
type ProjectBuildpack struct {
	ID      string         `toml:"id"`
	Version string         `toml:"version"`
	URI     string         `toml:"uri"`
	Script  *ProjectScript `toml:"script"`
	// ExecEnv are the execution environments it is for (schema 0.3); empty means all.
	ExecEnv []string `toml:"exec-env"`
}

// ProjectScript is a buildpack written inside a project descriptor.
type ProjectScript struct {
	API    string `toml:"api"`
	Inline string `toml:"inline"`
	// Shell runs the script; empty means /bin/sh.
	Shell string `toml:"shell"`
}

// ProjectEnv is one build-time environment variable of a project descriptor.
type ProjectEnv struct {
	Name    string   `toml:"name"`
	Value   string   `toml:"value"`
	ExecEnv []string `toml:"exec-env"`
}
