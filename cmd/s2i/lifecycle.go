package main

import (
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// lifecycleCommand lets platforms such as kpack use this program as their lifecycle.
func lifecycleCommand() *cli.Command {
	return &cli.Command{
		Name: "lifecycle", Usage: "act as one phase of the Cloud Native Buildpacks lifecycle", ArgsUsage: "PHASE",
		Description: `The phases take the flags, files and environment of the specification (Platform API 0.15), and end with its
exit codes. The program also acts as a phase when it is called by the phase's name.

Example:
   s2i lifecycle builder -app ./workspace -layers ./layers`,
		Subcommands: []*cli.Command{
			analyzerPhase(), detectorPhase(), restorerPhase(), builderPhase(), exporterPhase(), rebaserPhase(), creatorPhase(),
			extenderPhase(),
		},
	}
}

// phaseNames are the specification's names of the phases.
func phaseNames() []string {
	return []string{"analyzer", "detector", "restorer", "builder", "exporter", "rebaser", "creator", "extender"}
}

// appFlag is where the app is (this and the next ones: platform §Lifecycle Interface).
func appFlag() cli.Flag {
	return &cli.StringFlag{Name: "app", Value: lifecycle.AppDir, EnvVars: []string{"CNB_APP_DIR"}, Usage: "the app's `DIR`"}
}

// layersFlag is where layers, and the files that phases hand to each other, are.
func layersFlag() cli.Flag {
	return &cli.StringFlag{Name: "layers", Value: lifecycle.LayersDir, EnvVars: []string{"CNB_LAYERS_DIR"}, Usage: "the layers `DIR`"}
}

// platformFlags are the flags of phases that run buildpacks.
func platformFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "platform", Value: lifecycle.PlatformDir, EnvVars: []string{"CNB_PLATFORM_DIR"}, Usage: "the platform `DIR`"},
		&cli.StringFlag{Name: "buildpacks", Value: lifecycle.BuildpacksDir, EnvVars: []string{"CNB_BUILDPACKS_DIR"}, Usage: "the `DIR` of the buildpacks"},
		&cli.StringFlag{Name: "build-config", Value: lifecycle.BuildConfigDir, EnvVars: []string{"CNB_BUILD_CONFIG_DIR"}, Usage: "the operator's `DIR`"},
		&cli.StringFlag{Name: "exec-env", Value: lifecycle.DefaultExecEnv, EnvVars: []string{"CNB_EXEC_ENV"}, Usage: "the execution `ENVIRONMENT`"},
		&cli.StringFlag{Name: "log-level", Value: "info", EnvVars: []string{"CNB_LOG_LEVEL"}, Usage: "debug, `info`, warn or error"},
		&cli.BoolFlag{Name: "no-color", EnvVars: []string{"CNB_NO_COLOR"}, Usage: "accepted; output that is no terminal is plain anyway"},
	}
}

// fileFlag is the path of a file that phases hand to each other, by default in the layers directory.
func fileFlag(name, env string) cli.Flag {
	return &cli.StringFlag{Name: name, EnvVars: []string{env}, Usage: "the `FILE` " + name + ".toml (default: in the layers directory)"}
}

// phaseFile is where such a file is.
func phaseFile(c *cli.Context, name string) string {
	if path := c.String(name); path != "" {
		return path
	}
	return filepath.Join(c.String("layers"), name+".toml")
}

// extensionFlags are the flags of phases that know image extensions.
func extensionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "extensions", Value: lifecycle.ExtensionsDir, EnvVars: []string{"CNB_EXTENSIONS_DIR"}, Usage: "the `DIR` of the image extensions"},
		&cli.StringFlag{Name: "generated", EnvVars: []string{"CNB_GENERATED_DIR"}, Usage: "the `DIR` of generated Dockerfiles (default: generated in the layers directory)"},
		&cli.StringFlag{Name: "extended", EnvVars: []string{"CNB_EXTENDED_DIR"}, Usage: "the `DIR` of extended images (default: extended in the layers directory)"},
	}
}

// phaseDir is where such a directory is.
func phaseDir(c *cli.Context, name string) string {
	if dir := c.String(name); dir != "" {
		return dir
	}
	return filepath.Join(c.String("layers"), name)
}

// readInputs reads what the analyzer and the detector left for the later phases.
func readInputs(c *cli.Context) (group lifecycle.GroupFile, analyzed lifecycle.Analyzed, err error) {
	if group, err = lifecycle.ReadGroup(phaseFile(c, "group")); err != nil {
		return group, analyzed, err
	}
	analyzed, err = lifecycle.ReadAnalyzed(phaseFile(c, "analyzed"))
	return group, analyzed, err
}

// asPhase runs a phase: it checks the Platform API, and shows progress as plain lines.
func asPhase(code int, do func(c *cli.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := lifecycle.CheckPlatformAPI(os.Getenv("CNB_PLATFORM_API")); err != nil {
			return err
		}
		if err := absoluteDirs(c); err != nil {
			return err
		}
		mode := progress.Plain
		if c.Command.Name == "builder" { // the buildpacks' own output is all there is to see
			mode = progress.Quiet
		}
		sink, err := progress.New(mode, c.App.ErrWriter)
		if err != nil {
			return err
		}
		defer sink.Close()
		c.Context = progress.With(c.Context, sink)
		return lifecycle.WithCode(code, do(c))
	}
}

// absoluteDirs makes the directories that flags name independent of the working directory: buildpacks run in the app's.
func absoluteDirs(c *cli.Context) error {
	for _, name := range []string{"app", "layers", "platform", "buildpacks", "build-config", "cache-dir", "extensions", "generated", "extended"} {
		dir := c.String(name)
		if dir == "" || filepath.IsAbs(dir) {
			continue
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if err := c.Set(name, abs); err != nil {
			return err
		}
	}
	return nil
}
