package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
)

// versionCommand says what a bug report must say.
func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version, and what it is made with and for",
		Description: "Example:\n   s2i version",
		Action: func(c *cli.Context) error {
			if err := argsBetween(c, 0, 0); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.App.Writer, "s2i %s\n", about())
			return err
		},
	}
}

// about describes this program: its version, its commit when the build recorded one, the compiler, and the API that
// platforms need to know.
func about() string {
	commit, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = ", commit " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = " with changes"
			}
		}
	}
	return fmt.Sprintf("%s (%s %s/%s%s%s, Platform API %s)",
		version, runtime.Version(), runtime.GOOS, runtime.GOARCH, commit, changed, lifecycle.PlatformAPI)
}
