package launch

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// The test binary is the launcher when this variable is set, and prints what a started process sees when it is called
// with the other one.
const beLauncher = "LAUNCH_TEST_BE_LAUNCHER"

func TestMain(m *testing.M) {
	if os.Getenv(beLauncher) != "" {
		os.Unsetenv(beLauncher)
		os.Exit(Main(os.Args, os.Environ()))
	}
	os.Exit(m.Run())
}

// image is the part of an app image that the launcher sees.
type image struct {
	t   *testing.T
	dir string
	env []string
}

func newImage(t *testing.T, metadata string) *image {
	t.Helper()
	im := &image{t: t, dir: t.TempDir()}
	im.env = []string{"CNB_PLATFORM_API=0.15", "CNB_LAYERS_DIR=" + im.path("layers"), "CNB_APP_DIR=" + im.path("app"),
		"CNB_DEPRECATION_MODE=quiet", "PATH=/cnb/process:/cnb/lifecycle:" + os.Getenv("PATH")}
	im.write("layers/config/metadata.toml", metadata)
	im.mkdir("app")
	return im
}

func (im *image) path(p string) string { return filepath.Join(im.dir, p) }

func (im *image) mkdir(p string) {
	im.t.Helper()
	if err := os.MkdirAll(im.path(p), 0o755); err != nil {
		im.t.Fatal(err)
	}
}

func (im *image) write(p, content string) {
	im.t.Helper()
	im.mkdir(filepath.Dir(p))
	if err := os.WriteFile(im.path(p), []byte(content), 0o755); err != nil {
		im.t.Fatal(err)
	}
}

// launch runs the launcher as argv and gives what it printed and its exit code.
func (im *image) launch(argv ...string) (stdout, stderr string, code int) {
	im.t.Helper()
	self, err := os.Executable()
	if err != nil {
		im.t.Fatal(err)
	}
	var out, errOut strings.Builder
	cmd := exec.Cmd{Path: self, Args: argv, Env: append(im.env, beLauncher+"=1"), Dir: "/", Stdout: &out, Stderr: &errOut}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		im.t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// prints wants the launcher to succeed and print this.
func (im *image) prints(want string, argv ...string) {
	im.t.Helper()
	stdout, stderr, code := im.launch(argv...)
	if code != 0 || strings.TrimSpace(stdout) != want {
		im.t.Errorf("%q: got %q with code %d, want %q\n%s", argv, stdout, code, want, stderr)
	}
}

// fails wants the launcher to end with this code and text.
func (im *image) fails(code int, part string, argv ...string) {
	im.t.Helper()
	_, stderr, got := im.launch(argv...)
	if got != code || !strings.Contains(stderr, part) {
		im.t.Errorf("%q: got code %d and %q, want %d and %q", argv, got, stderr, code, part)
	}
}

const twoAPIs = `
buildpack-default-process-type = "web"
[[buildpacks]]
id = "example/new"
version = "1"
api = "0.10"
[[buildpacks]]
id = "example/old"
version = "1"
api = "0.8"
`

func proc(name, more string) string { return "[[processes]]\ntype = \"" + name + "\"\n" + more + "\n" }

func TestArguments(t *testing.T) {
	printer := `printf "<%s>" "$0" "$@"`
	im := newImage(t, twoAPIs+
		proc("list", `command = ["sh", "-c", '`+printer+`', "zero", "one"]
args = ["two"]
direct = true
buildpack-id = "example/new"`)+
		proc("short", `command = ["echo"]
args = ["own"]
direct = true
buildpack-id = "example/new"`)+
		proc("old", `command = "echo"
args = ["own"]
direct = true
buildpack-id = "example/old"`)+
		proc("orphan", `command = ["echo"]
args = ["own"]
direct = true
buildpack-id = "example/gone"`)+
		proc("none", "command = []\ndirect = true"))
	im.prints("<zero><one><two>", "/cnb/process/list")
	im.prints("<zero><one><3 3><4>", "list", "3 3", "4")
	im.prints("own", "/cnb/process/short")
	im.prints("user", "/cnb/process/short", "user")
	im.prints("own", "/cnb/process/old")
	im.prints("own user", "/cnb/process/old", "user")
	im.prints("own", "/cnb/process/orphan")
	im.fails(82, `"example/gone"`, "/cnb/process/orphan", "user")
	im.fails(82, `process "none" has no command`, "/cnb/process/none")

	im.env = append(im.env, "CNB_PLATFORM_API=0.9")
	im.prints("own user", "/cnb/process/short", "user")
}

func TestUserCommands(t *testing.T) {
	im := newImage(t, twoAPIs+proc("web", `command = ["true"]
direct = true
buildpack-id = "example/new"`))
	im.write("layers/example_new/l/profile.d/p.sh", "export P=profile")
	im.write("layers/example_new/l/profile.d/web/p.sh", "export P=web")
	im.write("layers/example_new/l/env/E", "layer")
	im.write("app/.profile", "export APP=$P-app")
	self := "/cnb/lifecycle/launcher"
	im.prints("$E layer", self, "--", "sh", "-c", `echo '$E' $E`)
	im.prints("profile-app layer", self, `echo $APP $E`)
	im.prints("[a b]", self, `echo [$0 $1]`, "a", "b")
	im.prints(im.path("app"), self, "--", "pwd")
	im.prints(im.path("app"), self, "pwd")
	im.fails(82, "no command after", self, "--")
	im.fails(82, "start one of web as entrypoint", self)
	im.fails(82, `no program "nosuch"`, self, "--", "nosuch")
	im.fails(127, "nosuch", self, "nosuch")
	im.fails(7, "", self, "exit 7")
	im.fails(9, "", self, "--", "sh", "-c", "exit 9")
	newImage(t, "").fails(82, "the image has no process", self)
}

func TestShellProcesses(t *testing.T) {
	im := newImage(t, twoAPIs+
		proc("script", "command = 'echo \"$GREETING\" $0 && pwd'\nbuildpack-id = \"example/old\"\nworking-dir = \"it's here\"")+
		proc("words", "command = \"printf\"\nargs = ['<%s>', '$GREETING', 'a  b', '${GREETING}!', '-n', '*']\nbuildpack-id = \"example/old\""))
	im.mkdir("app/it's here")
	im.write("layers/example_new/a/profile.d/1.sh", "GREETING=one")
	im.write("layers/example_new/b/profile.d/1 'x.sh", "export GREETING=\"$GREETING two\"")
	im.write("layers/example_old/a/profile.d/script/1.sh", "GREETING=\"$GREETING script\"")
	im.write("layers/example_old/a/profile.d/z.sh", "GREETING=\"$GREETING z\"")
	im.prints("one two z script bash\n"+im.path("app/it's here"), "/cnb/process/script")
	im.prints("<one two z><a  b><one two z!><-n><*>", "/cnb/process/words")
	im.prints("<one two z><a  b><one two z!><-n><*><user one two z>", "/cnb/process/words", "user $GREETING")
}

func TestEnvironment(t *testing.T) {
	im := newImage(t, twoAPIs+proc("web", `command = ["env"]
direct = true
buildpack-id = "example/new"`))
	im.env = append(im.env, "OWN=1", "X=start", "PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin", "CNB_EXEC_ENV=test")
	im.write("layers/example_new/a/bin/.keep", "")
	im.write("layers/example_new/a/env/X.append", "-a")
	im.write("layers/example_new/a/env.launch/X.append", "-al")
	im.write("layers/example_new/a/env.launch/web/X.append", "-aw")
	im.write("layers/example_new/a/env.build/X", "no")
	im.write("layers/example_old/b/lib/.keep", "")
	im.write("layers/example_old/b/env/X.append", "-b")
	im.write("layers/example_new/a/exec.d/1", "#!/bin/sh\necho \"X = \\\"$X-exec\\\"\" >&3; pwd; echo oops >&2")
	im.write("layers/example_new/a/exec.d/web/1", "#!/bin/sh\nprintf 'Y = \"%s\\\\ty\"\\nPORT = \"80\"' \"$X\" >&3")
	im.write("layers/example_old/b/exec.d/2", "#!/bin/sh\necho 'PORT = \"81\"' >&3")
	stdout, stderr, code := im.launch("/cnb/process/web")
	if code != 0 || strings.TrimSpace(stderr) != "oops" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	got := map[string]bool{}
	for line := range strings.Lines(stdout) {
		got[strings.TrimSuffix(line, "\n")] = true
	}
	want := map[string]bool{
		im.path("app"): true, "OWN=1": true, "X=start-a-al-aw-b-exec": true, "Y=start-a-al-aw-b-exec\ty": true, "PORT=81": true,
		"PATH=" + im.path("layers/example_new/a/bin") + ":/usr/bin:/bin": true,
		"LD_LIBRARY_PATH=" + im.path("layers/example_old/b/lib"):         true, "CNB_EXEC_ENV=test": true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestExpansion(t *testing.T) {
	im := newImage(t, twoAPIs+proc("web", `command = ["sh", "-c", 'echo "$@" r=$ROCKET_PORT h=$HOST m=$S2I_EXPAND', "sh", "$(PORT)"]
args = ["-b0:$(PORT)", "$(HOME)", "$PORT", "$(ROCKET_PORT)$(PORT)", "$(LOOP)"]
direct = true
buildpack-id = "example/new"`)+
		proc("plain", `command = ["echo"]
args = ["$(PORT)"]
direct = true
buildpack-id = "example/new"`)+
		proc("old", "command = 'echo \"$ROCKET_PORT\"'\nbuildpack-id = \"example/old\""))
	mark := "PORT=8080\nROCKET_PORT=$(PORT)0\n\nnonsense\n=x\nLOOP=$(LOOP)$(PORT)\nHOST=$(NO)"
	im.write("layers/example_new/a/env.launch/web/S2I_EXPAND", mark)
	im.write("layers/example_new/a/env.launch/old/S2I_EXPAND", mark)
	im.prints("8080 -b0:8080 $(HOME) $PORT 808008080 $(LOOP)8080 r=80800 h=$(NO) m=", "/cnb/process/web")
	im.prints("8080 $(PORT) r=80800 h=$(NO) m=", "/cnb/process/web", "$(PORT)") // the user's arguments stay
	im.prints("$(PORT)", "/cnb/process/plain")
	im.prints("80800", "/cnb/process/old")
	im.prints("$(PORT)", "/cnb/lifecycle/launcher", "--", "echo", "$(PORT)")
	im.env = append(im.env, "PORT=$(HOST)", "ROCKET_PORT=", "S2I_EXPAND=HOME=/")
	im.prints("$(HOST) -b0:$(HOST) $(HOME) $PORT $(HOST)0$(HOST) $(LOOP)$(HOST) r=$(HOST)0 h=$(NO) m=", "/cnb/process/web")
	im.prints("$(PORT)", "/cnb/process/plain")
	im.write("layers/example_new/a/exec.d/1", "#!/bin/sh\necho 'PORT = \"81\"' >&3")
	im.prints("81 x r=810 h=$(NO) m=", "/cnb/process/web", "x")
}

func TestExecDFailures(t *testing.T) {
	for name, c := range map[string]struct{ program, part string }{
		"exit status":   {"#!/bin/sh\nexit 3", "exit status 3"},
		"no TOML":       {"#!/bin/sh\necho '<' >&3", "line 1"},
		"no string":     {"#!/bin/sh\necho 'A = 1' >&3", "A is not a string"},
		"table":         {"#!/bin/sh\necho '[A]' >&3", "A is not a string"},
		"NUL":           {"#!/bin/sh\necho 'A = \"\\u0000\"' >&3", "cannot be a variable"},
		"bad name":      {"#!/bin/sh\necho '\"A=\" = \"\"' >&3", "cannot be a variable"},
		"too much":      {"#!/bin/sh\ncat /dev/zero >&3", "larger than"},
		"no executable": {"", "exec format error"},
	} {
		t.Run(name, func(t *testing.T) {
			im := newImage(t, twoAPIs)
			im.write("layers/example_new/a/exec.d/prog", c.program)
			im.fails(82, c.part, "launcher", "--", "true")
			im.fails(82, "exec.d/prog", "launcher", "--", "true")
		})
	}
}

func TestAPIs(t *testing.T) {
	im := newImage(t, twoAPIs)
	env := im.env
	for api, code := range map[string]int{"0.6": 11, "0.7": 0, "0.12": 0, "0.15": 0, "0.16": 11, "1.0": 11, "x": 11, "0.07": 11} {
		im.env = append(env, "CNB_PLATFORM_API="+api)
		im.fails(code, "", "launcher", "--", "true")
	}
	im.env = env[1:]
	im.fails(11, "CNB_PLATFORM_API is not set", "launcher", "--", "true")
	for api, code := range map[string]int{"0.6": 12, "0.7": 0, "0.12": 0, "0.13": 12, "": 12} {
		newImage(t, "[[buildpacks]]\nid = \"a\"\napi = \""+api+"\"\n").fails(code, "", "launcher", "--", "true")
	}
}

func TestExecutionEnvironments(t *testing.T) {
	im := newImage(t, twoAPIs+proc("web", "command = [\"echo\", \"web\"]\ndirect = true\nexec-env = [\"production\"]")+
		proc("test", "command = [\"echo\", \"test\"]\ndirect = true\nexec-env = [\"test\", \"ci\"]")+
		proc("any", "command = [\"echo\", \"any\"]\ndirect = true\nexec-env = [\"*\"]"))
	im.prints("web", "/cnb/process/web")
	im.prints("any", "/cnb/process/any")
	im.fails(82, "is for the execution environment test, ci, and this is production", "/cnb/process/test")
	env := im.env
	im.env = append(env, "CNB_EXEC_ENV=test")
	im.prints("test", "/cnb/process/test")
	im.fails(82, "and this is test", "/cnb/process/web")
	im.env = append(env, "CNB_PLATFORM_API=0.14")
	im.prints("test", "/cnb/process/test")
}

func TestDirectLookup(t *testing.T) {
	im := newImage(t, twoAPIs+proc("rel", "command = [\"./tool\"]\ndirect = true\nworking-dir = \"sub\"")+
		proc("dir", "command = [\"/\"]\ndirect = true")+
		proc("gone", "command = [\"tool\"]\ndirect = true\nworking-dir = \"/nonexistent/dir\"")+
		proc("tool", "command = [\"tool\"]\ndirect = true")+
		proc("loader", "command = [\"./noloader\"]\ndirect = true"))
	im.write("app/sub/tool", "#!/bin/sh\necho tool in $PWD")
	im.write("app/noloader", "#!/nonexistent/interpreter\n")
	im.write("layers/example_new/a/bin/tool", "#!/bin/sh\necho tool of the layer")
	im.prints("tool in "+im.path("app/sub"), "/cnb/process/rel")
	im.prints("tool of the layer", "/cnb/process/tool")
	im.fails(82, "is a directory", "/cnb/process/dir")
	im.fails(82, "entering the working directory", "/cnb/process/gone")
	im.fails(82, "interpreter that it asks for is not in the image", "/cnb/process/loader")
	if err := os.Chmod(im.path("layers/example_new/a/bin/tool"), 0o644); err != nil {
		t.Fatal(err)
	}
	im.fails(82, "is not executable", "/cnb/process/tool")
	im.env = append(im.env, "PATH=.:")
	im.fails(82, `no program "noloader"`, "launcher", "--", "noloader") // never from the working directory
}

func TestBrokenImages(t *testing.T) {
	for metadata, part := range map[string]string{
		"<":                          "line 1",
		"processes = 1":              "processes is not a list of tables",
		"processes = [1]":            "processes is not a list of tables",
		"[[processes]]\ntype = 1":    "type is not a string",
		"[[processes]]\ncommand = 1": "command is not a list of strings",
		"[[processes]]\nargs = [1]":  "args is not a list of strings",
		"[[processes]]\ndirect = 1":  "direct is not true or false",
		"[[buildpacks]]\nid = '..'":  "has the id",
	} {
		newImage(t, metadata).fails(82, part, "launcher", "--", "true")
	}
	im := newImage(t, "")
	if err := os.RemoveAll(im.path("layers")); err != nil {
		t.Fatal(err)
	}
	im.fails(82, "metadata.toml: no such file", "launcher", "--", "true")
	im = newImage(t, "")
	if err := os.Remove(im.path("app")); err != nil {
		t.Fatal(err)
	}
	im.fails(82, "entering the app directory", "launcher", "--", "true")
	im = newImage(t, twoAPIs)
	im.write("layers/example_new/a/env/A=B", "")
	im.fails(82, "A=B", "launcher", "--", "true")
}

// What is repeated from package lifecycle must stay the same.
func TestSameAsLifecycle(t *testing.T) {
	for got, want := range map[string]string{
		defaultAppDir: lifecycle.AppDir, defaultLayersDir: lifecycle.LayersDir, lifecycleDir: lifecycle.LifecycleDir,
		processDir: lifecycle.ProcessDir, metadataPath: lifecycle.BuildMetadataPath, defaultExecEnv: lifecycle.DefaultExecEnv,
		lifecycleDir + "/launcher": lifecycle.LauncherPath,
	} {
		if got != want {
			t.Errorf("%q is %q in package lifecycle", got, want)
		}
	}
	if exitPlatformAPI != lifecycle.ExitPlatformAPI || exitBuildpackAPI != lifecycle.ExitBuildpackAPI ||
		exitLaunch != lifecycle.ExitLaunch {
		t.Error("the exit codes differ")
	}
	for _, s := range []string{"", "0", "1", "0.6", "0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.08", "0.-8", "x"} {
		_, err := buildpackAPI(buildpack{api: s})
		_, want := lifecycle.CheckBuildpackAPI("", s)
		if (err == nil) != (want == nil) {
			t.Errorf("Buildpack API %q: %v, in package lifecycle %v", s, err, want)
		}
	}
	if _, err := platformAPI(lifecycle.PlatformAPI); err != nil {
		t.Error(err)
	}
}
