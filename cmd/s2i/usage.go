package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
)

// usageError is an error in how a command was called.
func usageError(format string, args ...any) error {
	return lifecycle.WithCode(lifecycle.ExitInvalidArgs, fmt.Errorf(format, args...))
}

// misused is a usage error that ends with where the right usage is described.
func misused(c *cli.Context, format string, args ...any) error {
	return usageError("%w; see %s --help", fmt.Errorf(format, args...), c.Command.HelpName)
}

// wrongFlag makes one sentence of what the parser says about flags, which would otherwise be followed by the whole
// help.
func wrongFlag(c *cli.Context, err error, _ bool) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return misused(c, "%w", err)
	}
	return misused(c, "there is no flag --%s", name)
}

// needsCommand is what a command with subcommands does without one: it shows its help, or says that there is no such
// subcommand.
func needsCommand(c *cli.Context) error {
	if c.NArg() == 0 {
		return cli.ShowSubcommandHelp(c)
	}
	return misused(c, "there is no command %q", c.Args().First())
}

// oneArg gives the command's only argument, or fallback when there is none and a fallback exists.
func oneArg(c *cli.Context, what, fallback string) (string, error) {
	switch {
	case c.NArg() > 1:
		return "", misused(c, "%s takes one %s, not %d", c.Command.Name, what, c.NArg())
	case c.NArg() == 1:
		return c.Args().First(), nil
	case fallback == "":
		return "", misused(c, "%s needs a %s", c.Command.Name, what)
	}
	return fallback, nil
}

// argsBetween refuses too few and too many arguments; most is negative when there may be any number.
func argsBetween(c *cli.Context, least, most int) error {
	if c.NArg() < least || most >= 0 && c.NArg() > most {
		return misused(c, "%s takes %s", c.Command.Name, cmp.Or(c.Command.ArgsUsage, "no arguments"))
	}
	return nil
}
