package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle/store"
)

// completeName is the hidden command by which the shells' scripts ask what a word can become.
const completeName = "__complete"

// completionScripts gives a shell's script. It asks the program itself; when that knows nothing, files are offered.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `_s2i() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" ` + completeName + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _s2i s2i
`,
		"zsh": `#compdef s2i
_s2i() {
  local -a found
  found=("${(@f)$("${words[1]}" ` + completeName + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _s2i s2i
`,
		"fish": `function __s2i_complete
  set -l asked (commandline -opc)
  $asked[1] ` + completeName + ` $asked[2..] (commandline -ct) 2>/dev/null
end
complete -c s2i -a '(__s2i_complete)'
`,
	}
}

// completionCommand prints a script that the user's shell reads.
func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a completion script for bash, zsh or fish", ArgsUsage: "SHELL",
		Description: `Examples:
   source <(s2i completion bash)
   s2i completion fish > ~/.config/fish/completions/s2i.fish`,
		Action: func(c *cli.Context) error {
			shell, err := oneArg(c, "SHELL", "")
			if err != nil {
				return err
			}
			script, ok := completionScripts()[shell]
			if !ok {
				return usageError("there is no completion for %q; there is for bash, fish and zsh", shell)
			}
			_, err = fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

// completeCommand answers what those scripts ask.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name: completeName, Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			for _, candidate := range candidates(c.App, c.Args().Slice()) {
				if _, err := fmt.Fprintln(c.App.Writer, candidate); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// candidates is what the last word may become: a command, a flag, or a local image; nothing for what the shell knows
// better, such as files.
func candidates(app *cli.App, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	last := words[len(words)-1]
	commands, flags, argument := app.Commands, []cli.Flag(nil), ""
	for i := 0; i < len(words)-1; i++ {
		if isFlag(words[i]) {
			flag := find(slices.Concat(flags, app.Flags), words[i])
			if i += valuesOf(words[i], flag); i >= len(words)-1 {
				return nil // the flag's value
			}
		} else if c := named(commands, words[i]); c != nil {
			commands, flags, argument = c.Subcommands, c.Flags, c.ArgsUsage
		} else {
			commands = nil
		}
	}
	var all []string
	switch {
	case strings.HasPrefix(last, "-"):
		for _, f := range slices.Concat(flags, app.Flags) {
			all = append(all, "--"+f.Names()[0])
		}
	case len(commands) > 0:
		for _, c := range commands {
			if !c.Hidden {
				all = append(all, c.Name)
			}
		}
	case strings.HasPrefix(argument, "REF"), strings.HasPrefix(argument, "NAME"):
		all = localImages()
	}
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, last) })
}

// localImages lists the names in the default store. What goes wrong is no matter: nothing is offered then.
func localImages() []string {
	dir, err := store.DefaultDir()
	if err != nil {
		return nil
	}
	st, err := store.Open(dir)
	if err != nil {
		return nil
	}
	images, err := st.Images()
	if err != nil {
		return nil
	}
	var names []string
	for _, i := range images {
		names = append(names, i.Name)
	}
	return names
}
