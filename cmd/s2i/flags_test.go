package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func testApp() *cli.App { return newApp(strings.NewReader(""), io.Discard, io.Discard) }

func TestFlagsFirst(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"images", "images"},
		{"build ./src", "build -- ./src"},
		{"build ./src -t x", "build -t x -- ./src"},
		{"build ./src --tag x", "build --tag x -- ./src"},
		{"build ./src --tag=x", "build --tag=x -- ./src"},
		{"build ./src -t=x", "build -t=x -- ./src"},
		{"build -t x ./src -t y", "build -t x -t y -- ./src"},
		{"build ./src -qt x", "-q build -t x -- ./src"},
		{"build ./src -tq x", "build -t -q -- ./src x"}, // -t takes -q: as written
		{"build ./src -q", "-q build -- ./src"},
		{"-q build ./src", "-q build -- ./src"},
		{"build --store s ./src", "--store s build -- ./src"},
		{"build ./src --store=s", "--store=s build -- ./src"},
		{"build ./src --no-cache --locked=false", "build --no-cache --locked=false -- ./src"},
		{"build --no-cache ./src", "build --no-cache -- ./src"}, // a boolean flag takes no argument
		{"build - -t x", "build -t x -- -"},                     // standard input is an argument
		{"build -t -", "build -t -"},
		{"build --cpus -1 ./src", "build --cpus -1 -- ./src"},
		{"build ./src --unknown x", "build --unknown -- ./src x"}, // the parser will say so
		{"build ./src -xyz", "build -xyz -- ./src"},
		{"build ./src -t", "build -t -- ./src"},
		{"build -- -t x", "build -- -t x"},
		{"run app -e A=1 -- -e B", "run -e A=1 -- app -e B"},
		{"run app -- --help", "run -- app --help"},
		{"run run", "run -- run"},                   // an image named as a command
		{"tag build images", "tag -- build images"}, // and two
		{"stack lock dir", "stack lock -- dir"},
		{"stack -q lock dir", "-q stack lock -- dir"},
		{"stack build node -t x --image run", "stack build -t x --image run -- node"},
		{"stack ls --arch arm64", "stack ls --arch arm64"},
		{"lifecycle builder -app a -layers b", "lifecycle builder -app a -layers b"},
		{"lifecycle exporter img -app a", "lifecycle exporter -app a -- img"},
		{"lifecycle analyzer img -insecure-registry h", "lifecycle analyzer -insecure-registry h -- img"}, // its own
		{"build --help", "build --help"},
		{"help build", "help build"},
		{"frob -q x", "-q frob x"},
		{"__complete build -t x -- y", "__complete build -t x -- y"},
	} {
		in := append([]string{"s2i"}, strings.Fields(c.in)...)
		before := slices.Clone(in)
		got := strings.Join(flagsFirst(testApp(), in)[1:], " ")
		if got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
		if diff := cmp.Diff(before, in); diff != "" {
			t.Errorf("%q was changed: %s", c.in, diff)
		}
	}
	if got := flagsFirst(testApp(), nil); len(got) != 0 {
		t.Errorf("nothing becomes %q", got)
	}
}

func TestPhaseArgs(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "s2i",
		"s2i build":                  "s2i build",
		"/cnb/lifecycle/builder -x":  "s2i lifecycle builder -x",
		"./creator a b":              "s2i lifecycle creator a b",
		"/usr/bin/s2i builder":       "/usr/bin/s2i builder",
		"/somewhere/launcher whence": "/somewhere/launcher whence",
	} {
		if got := strings.Join(phaseArgs(strings.Fields(in)), " "); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// TestCommands checks what all commands have in common.
func TestCommands(t *testing.T) {
	var check func(path string, commands []*cli.Command)
	check = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			name := path + " " + c.Name
			check(name, c.Subcommands)
			if c.Hidden {
				continue
			}
			phase := path == "s2i lifecycle"
			if len(c.Subcommands) == 0 && !phase && !strings.Contains(c.Description, "   s2i ") {
				t.Errorf("%s --help has no example", name)
			}
			if c.Usage == "" || strings.HasSuffix(c.Usage, ".") {
				t.Errorf("%s: usage %q", name, c.Usage)
			}
			for _, f := range c.Flags {
				if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
					continue
				}
				if doc, ok := f.(cli.DocGenerationFlag); !ok || doc.GetUsage() == "" {
					t.Errorf("%s: flag %s is not described", name, f.Names()[0])
				}
			}
		}
	}
	check("s2i", testApp().Commands)
}

func TestCandidates(t *testing.T) {
	t.Setenv("S2I_HOME", t.TempDir())
	for in, want := range map[string]string{
		"bu":                      "build",
		"stack ":                  "ls lock diff vendor build",
		"stack l":                 "ls lock",
		"-q st":                   "stack",
		"--store dir st":          "stack",
		"build --digest":          "--digest-file",
		"build --off":             "--offline",
		"build -t ":               "",
		"build -t x --iid":        "--iidfile",
		"build ":                  "",
		"run ":                    "",
		"frob ":                   "",
		"lifecycle creator -skip": "",
	} {
		if got := strings.Join(candidates(testApp(), strings.Split(in, " ")), " "); got != want {
			t.Errorf("%q can become %q, want %q", in, got, want)
		}
	}
	if got := candidates(testApp(), nil); got != nil {
		t.Errorf("no word can become %q", got)
	}
}
