package detect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"s2i/lifecycle"
	"s2i/lifecycle/env"
)

// ExecOptions says where bin/detect runs. AppDir and PlatformDir must be absolute.
type ExecOptions struct {
	AppDir, PlatformDir, BuildConfigDir string
	// Environ is the lifecycle's own environment, of which a buildpack sees a part; nil means os.Environ().
	Environ []string
	Target  lifecycle.Target
	// ExecEnv is the execution environment; empty means lifecycle.DefaultExecEnv.
	ExecEnv string
	// TempDir is where the build plan is written; empty means os.TempDir().
	TempDir string
}

// codeFail is how bin/detect says that the buildpack does not fit; 0 says that it does, anything else is an error.
const codeFail = 100

// maxOutput bounds how much of bin/detect's output is kept, in bytes; the end is kept.
const maxOutput = 256 << 10

// waitDelay is how long to wait for whatever holds on to the output of a process that has ended.
const waitDelay = 500 * time.Millisecond

// Exec asks a buildpack by running its bin/detect in place (buildpack §Detection): what isolates it is the caller's
// business. When ctx ends, the process and its children are killed. An extension may have a file detect/plan.toml in
// place of the program.
func Exec(ctx context.Context, bp lifecycle.Buildpack, o ExecOptions) Outcome {
	e := bp.Element()
	api, err := lifecycle.CheckBuildpackAPI(e.String(), bp.API)
	if err != nil {
		return errored(e, nil, err)
	}
	program := filepath.Join(bp.Dir, "bin", "detect")
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) && e.Extension {
		return StaticPlan(bp)
	}
	dir, err := os.MkdirTemp(o.TempDir, "detect-")
	if err != nil {
		return errored(e, nil, fmt.Errorf("making a place for the build plan: %w", err))
	}
	defer os.RemoveAll(dir)
	planPath := filepath.Join(dir, "plan.toml")
	if err := os.WriteFile(planPath, nil, 0o600); err != nil {
		return errored(e, nil, fmt.Errorf("making a place for the build plan: %w", err))
	}
	environ, err := o.environ(bp, api, planPath)
	if err != nil {
		return errored(e, nil, err)
	}
	var output tail
	cmd := exec.CommandContext(ctx, program, o.PlatformDir, planPath)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = o.AppDir, environ, &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	return judge(e, cmd.Run(), output.bytes(), planPath)
}

// StaticPlan is the outcome of an extension without a program: it always passes.
func StaticPlan(bp lifecycle.Buildpack) Outcome {
	plan, err := lifecycle.ReadBuildPlan(filepath.Join(bp.Dir, "detect", "plan.toml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errored(bp.Element(), nil, err)
	}
	return Outcome{Element: bp.Element(), Status: Passed, Plan: plan}
}

func (o ExecOptions) environ(bp lifecycle.Buildpack, api lifecycle.API, planPath string) ([]string, error) {
	own := o.Environ
	if own == nil {
		own = os.Environ()
	}
	e, err := env.ForBuild(own).WithPlatform(o.PlatformDir, o.BuildConfigDir, bp.About().ClearEnv)
	if err != nil {
		return nil, err
	}
	if bp.IsExtension() {
		e.Set("CNB_EXTENSION_DIR", bp.Dir)
	} else {
		e.Set("CNB_BUILDPACK_DIR", bp.Dir)
	}
	if api.AtLeast(0, 8) {
		e.Set("CNB_PLATFORM_DIR", o.PlatformDir)
		e.Set("CNB_BUILD_PLAN_PATH", planPath)
	}
	if api.AtLeast(0, 12) {
		e.Set("CNB_EXEC_ENV", orDefault(o.ExecEnv))
	}
	environ := e.List()
	if api.AtLeast(0, 10) {
		environ = append(environ, o.Target.Environ()...)
	}
	return environ, nil
}

func orDefault(execEnv string) string {
	if execEnv == "" {
		return lifecycle.DefaultExecEnv
	}
	return execEnv
}

// judge turns the end of bin/detect into an outcome. The last line that it printed is the reason.
func judge(e lifecycle.GroupElement, err error, output []byte, planPath string) Outcome {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
	case errors.As(err, &exit) && exit.ExitCode() == codeFail:
		return Outcome{Element: e, Status: Failed, Reason: oneLine(string(output)), Output: output}
	case errors.As(err, &exit):
		err = fmt.Errorf("bin/detect ended with %w", exit)
		if last := oneLine(string(output)); last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
		return errored(e, output, err)
	default:
		return errored(e, output, fmt.Errorf("starting bin/detect: %w", err))
	}
	plan, err := lifecycle.ReadBuildPlan(planPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errored(e, output, err)
	}
	return Outcome{Element: e, Status: Passed, Output: output, Plan: plan}
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

// Write keeps p and lets go of what is too old; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*maxOutput {
		t.data = append(t.data[:0], t.data[len(t.data)-maxOutput:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte { return t.data[max(0, len(t.data)-maxOutput):] }
