package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst reorders a command line so that flags may stand anywhere, as people write them (`s2i build ./src -t app:1
// -q`); the parser wants the program's flags before the command, and the command's before its arguments. What follows
// "--" stays as it is.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 2 || args[1] == completeName {
		return args
	}
	var global, path, own, rest []string
	commands, flags := app.Commands, []cli.Flag(nil)
	args = slices.Concat(args[:1], args[1:]) // a copy: combined flags are taken apart in place
	for i := 1; i < len(args); i++ {
		if letters := apart(args[i], flags, app.Flags); letters != nil {
			args = slices.Replace(args, i, i+1, letters...)
		}
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if isFlag(arg) {
			into, flag := &own, find(flags, arg)
			if flag == nil {
				if flag = find(app.Flags, arg); flag != nil {
					into = &global
				}
			}
			n := min(valuesOf(arg, flag), len(args)-i-1)
			*into = append(*into, args[i:i+1+n]...)
			i += n
			continue
		}
		if command := named(commands, arg); command != nil && len(rest) == 0 {
			path = append(path, arg)
			commands, flags = command.Subcommands, command.Flags
			continue
		}
		rest = append(rest, arg)
		commands = nil
	}
	if len(rest) > 0 && len(path) > 0 {
		rest = append([]string{"--"}, rest...)
	}
	return slices.Concat(args[:1], global, path, own, rest)
}

// apart gives the flags that -qt stands for, or nil when arg is something else: all its letters must be flags.
func apart(arg string, flags, global []cli.Flag) []string {
	if !isFlag(arg) || len(arg) < 3 || arg[1] == '-' || find(flags, arg) != nil || find(global, arg) != nil {
		return nil
	}
	var letters []string
	for _, l := range arg[1:] {
		letter := "-" + string(l)
		if find(flags, letter) == nil && find(global, letter) == nil {
			return nil
		}
		letters = append(letters, letter)
	}
	return letters
}

// named finds a command by its name or alias.
func named(commands []*cli.Command, name string) *cli.Command {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// isFlag tells a flag from an argument; "-" alone is standard input.
func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' && arg != "--" }

// find gives the flag that arg is, or nil.
func find(flags []cli.Flag, arg string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil
	}
	return flags[i]
}

// valuesOf tells how many arguments a flag takes after itself: none when it is boolean, unknown or written with =.
func valuesOf(arg string, flag cli.Flag) int {
	_, boolean := flag.(*cli.BoolFlag)
	if g, ok := flag.(*cli.GenericFlag); ok { // --smoke and --smoke=DURATION
		_, boolean = g.Value.(interface{ IsBoolFlag() bool })
	}
	if flag == nil || boolean || strings.Contains(arg, "=") {
		return 0
	}
	return 1
}
