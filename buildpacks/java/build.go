package java

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// builder is the state of one build.
type builder struct {
	bc  libcnb.BuildContext
	app *kit.App
	env kit.Env
	jdk jdk
	// ahead makes the runtime while the app is built; nil when nothing does.
	ahead  *linkRun
	result libcnb.BuildResult
}

// Build builds the app, takes what it made apart into layers, and makes the Java runtime.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	b := &builder{bc: bc, app: app, env: env, result: libcnb.NewBuildResult()}
	var err error
	if b.jdk, err = findJDK(b.env); err != nil {
		return b.result, err
	}
	b.env = b.env.With(kit.Env{"JAVA_HOME": b.jdk.Home})
	defer func() { b.ahead.stop() }()
	var l *layout
	var stackJRE bool
	switch build, file := buildFile(app); build {
	case buildMaven:
		l, stackJRE, err = b.maven(ctx)
	case buildGradle:
		l, stackJRE, err = b.gradle(ctx, file)
	default:
		l, stackJRE, err = b.prebuilt(ctx)
	}
	if err != nil {
		return b.result, err
	}
	return b.result, b.finish(ctx, l, stackJRE)
}

// layout is what is in the app's directory in the end, and how it is started.
type layout struct {
	// Command starts the app; empty when the Procfile does.
	Command []string
	// Classpath are paths below the app, in order; it is set as CLASSPATH, so that other processes have it too.
	Classpath []string
	// Slices are globs below the app of what changes together, what changes seldom first.
	Slices [][]string
	// Scan are the files and directories whose classes tell the modules of the runtime.
	Scan []string
	// Modules are modules that the runtime has anyway.
	Modules []string
	// Listen are the variables by which the framework is told its port.
	Listen []kit.Assignment
}

// finish makes the runtime and tells the launcher how to start the app.
func (b *builder) finish(ctx context.Context, l *layout, stackJRE bool) error {
	env := libcnb.Environment{}
	if stackJRE {
		env.Append("JAVA_TOOL_OPTIONS", " ", strings.Join(jvmOptions(), " "))
	} else {
		if err := b.runtime(ctx, l); err != nil {
			return err
		}
		home := filepath.Join(b.bc.Layers.Path, "jre", runtimeDir)
		env.Override("JAVA_HOME", home)
		env.Prepend("PATH", ":", filepath.Join(home, "bin"))
	}
	if len(l.Classpath) > 0 {
		env.Default("CLASSPATH", b.classpath(l.Classpath))
	}
	if len(l.Command) > 0 {
		kit.Listen(env, kit.DefaultType, l.Listen...)
		command := append(slices.Clone(l.Command), kit.Fields(b.env[envArgs])...)
		b.result.Processes = append(b.result.Processes,
			libcnb.Process{Type: kit.DefaultType, Command: command, Default: true})
	}
	for _, paths := range l.Slices {
		if len(paths) > 0 {
			b.result.Slices = append(b.result.Slices, libcnb.Slice{Paths: paths})
		}
	}
	layer, err := b.bc.Layers.Layer("env")
	if err != nil {
		return fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

// maxClasspath bounds the class path in the environment: the kernel takes at most 128 KiB for one variable.
const maxClasspath = 100 << 10

// classpath gives the class path as Java has it. One that is too long names directories of libraries as a whole.
func (b *builder) classpath(entries []string) string {
	join := func(entries []string) (all string) {
		for i, e := range entries {
			if i > 0 {
				all += ":"
			}
			all += filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(e))
		}
		return all
	}
	full := join(entries)
	if len(full) <= maxClasspath {
		return full
	}
	var short []string
	for _, e := range entries {
		if filepath.Ext(e) == ".jar" {
			e = filepath.Dir(e) + "/*"
		}
		if !slices.Contains(short, e) {
			short = append(short, e)
		}
	}
	return join(short)
}
