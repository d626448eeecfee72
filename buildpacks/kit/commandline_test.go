package kit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

func TestParseCommandLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want kit.CommandLine
	}{
		{"node server.js", kit.CommandLine{Args: []string{"node", "server.js"}}},
		{"  node\tserver.js  ", kit.CommandLine{Args: []string{"node", "server.js"}}},
		{"exec ./app", kit.CommandLine{Args: []string{"./app"}}},
		{`node -e "a b" 'c"d' e\ f`, kit.CommandLine{Args: []string{"node", "-e", "a b", `c"d`, "e f"}}},
		{`say "" ''`, kit.CommandLine{Args: []string{"say", "", ""}}},
		{`say "a\"b\\c\d"`, kit.CommandLine{Args: []string{"say", `a"b\c\d`}}},
		{"A=1 B='x y' run --c=d", kit.CommandLine{
			Env: []kit.Assignment{{"A", "1"}, {"B", "x y"}}, Args: []string{"run", "--c=d"}}},
		{"run 'A'=1", kit.CommandLine{Args: []string{"run", "A=1"}}},
		{"say it#is ok! a~b", kit.CommandLine{Args: []string{"say", "it#is", "ok!", "a~b"}}},
		{"bind '0.0.0.0:$PORT'", kit.CommandLine{Args: []string{"bind", "0.0.0.0:$PORT"}}},
		{`serve -b 0.0.0.0:$PORT "--x=${PORT}/y" ${PORT:-3000}`, kit.CommandLine{
			Env:  []kit.Assignment{{"S2I_EXPAND", "PORT=3000"}},
			Args: []string{"serve", "-b", "0.0.0.0:$(PORT)", "--x=$(PORT)/y", "$(PORT)"}}},
		{"A=1 exec serve $PORT", kit.CommandLine{
			Env: []kit.Assignment{{"A", "1"}, {"S2I_EXPAND", "PORT=8080"}}, Args: []string{"serve", "$(PORT)"}}},
		{"say '$(PORT)'", kit.CommandLine{Args: []string{"say", "$(PORT)"}}},
		{"grüße ä", kit.CommandLine{Args: []string{"grüße", "ä"}}},
	} {
		got, err := kit.ParseCommandLine(c.line)
		if err != nil {
			t.Errorf("ParseCommandLine(%q): %v", c.line, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("ParseCommandLine(%q) (-want +got):\n%s", c.line, diff)
		}
	}
}

func TestNeedsShell(t *testing.T) {
	for line, sign := range map[string]string{
		"a && b": `"&&"`, "a | b": `"|"`, "a || b": `"||"`, "a; b": `";"`, "a > f": `">"`, "a $PORTS": `"$PORTS"`,
		"A=$PORT b": "A the value", "$PORT b": "only a shell", "a '$(PORT)' $PORT": "only a shell",
		"a ${PORT:-1} ${PORT:-2}": "more than one default", "a ${PORT-1}": `"$"`, "a ${PORT:-$X}": `"$"`, "a ${PORT": `"$"`,
		`a "x $Y/z"`: `"$Y"`, "a `b`": "\"`\"", "a $(b)": `"$("`, "ls *": `"*"`, "ls ~/x": `"~"`, "a # b": `"#"`,
		"cd x": "cd", "source env": "source", "a {b,c}": `"{"`, "a ${B:-c}": `"$"`,
	} {
		_, err := kit.ParseCommandLine(line)
		if !errors.Is(err, kit.ErrNeedsShell) || !strings.Contains(err.Error(), sign) {
			t.Errorf("ParseCommandLine(%q): %v; want it to need a shell because of %s", line, err, sign)
		}
	}
	for _, line := range []string{"", "  ", "A=1", "a 'b", `a "b`, "a\x00b", "exec"} {
		if got, err := kit.ParseCommandLine(line); err == nil || errors.Is(err, kit.ErrNeedsShell) {
			t.Errorf("ParseCommandLine(%q) = %v, %v; want an error of its own", line, got, err)
		}
	}
}

func TestProcess(t *testing.T) {
	for command, want := range map[string][]string{
		"./server":             {"./server"},
		"./server -p $PORT":    {"./server", "-p", "$(PORT)"},
		"./server -p $POR":     {"sh", "-c", "exec ./server -p $POR"},
		"./a && ./b":           {"sh", "-c", "./a && ./b"},
		"A=1 ./server -p $P":   {"sh", "-c", "A=1 ./server -p $P"},
		"cd x && ./server":     {"sh", "-c", "cd x && ./server"},
		"exec ./server -p $P":  {"sh", "-c", "exec ./server -p $P"},
		"bash -c 'a $B; done'": {"bash", "-c", "a $B; done"},
	} {
		got, _, err := kit.Process("web", command)
		if err != nil {
			t.Errorf("Process(%q): %v", command, err)
		}
		if diff := cmp.Diff(want, got.Command); diff != "" {
			t.Errorf("Process(%q) (-want +got):\n%s", command, diff)
		}
	}
}

// FuzzParseCommandLine checks that what was split can be put together again.
func FuzzParseCommandLine(f *testing.F) {
	for _, s := range []string{"node server.js", `A=1 x "a\"b" 'c' d\ e`, "a $B", "a $PORT ${PORT:-1}", "a && b", "exec", "'", "=", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := kit.ParseCommandLine(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, a := range got.Args {
			quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
		}
		again, err := kit.ParseCommandLine("x " + strings.Join(quoted, " "))
		if err != nil {
			t.Fatalf("%q gave %q, which does not parse quoted: %v", line, got.Args, err)
		}
		if diff := cmp.Diff(got.Args, again.Args[1:]); diff != "" {
			t.Fatalf("%q (-first +second):\n%s", line, diff)
		}
	})
}
