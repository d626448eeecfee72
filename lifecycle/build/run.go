package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// waitDelay is how long to wait for the output of a buildpack that has ended: a daemon that it left behind may hold on
// to it for ever.
const waitDelay = 500 * time.Millisecond

// run runs bin/build.
func (b *building) run(ctx context.Context, r buildpackRun) error {
	e := r.Element()
	temp, err := os.MkdirTemp("", "build-")
	if err != nil {
		return fmt.Errorf("making a place for the plan of buildpack %s: %w", e, err)
	}
	defer os.RemoveAll(temp)
	planPath := filepath.Join(temp, "plan.toml")
	if err := lifecycle.WriteBuildpackPlan(planPath, r.given); err != nil {
		return err
	}
	environ, err := b.environ(r, planPath)
	if err != nil {
		return fmt.Errorf("making the environment of buildpack %s: %w", e, err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(r.Dir, "bin", "build"), r.layers, b.PlatformDir, planPath)
	cmd.Dir, cmd.Env = b.AppDir, environ
	cmd.Stdout, cmd.Stderr = orProgress(ctx, b.Stdout), orProgress(ctx, b.Stderr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	switch err := cmd.Run(); {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("running buildpack %s: %w", e, context.Cause(ctx))
	default:
		return lifecycle.WithCode(lifecycle.ExitBuildpackFailed,
			fmt.Errorf("running buildpack %s: bin/build ended with %w", e, err))
	}
}

func orProgress(ctx context.Context, w io.Writer) io.Writer {
	if w == nil {
		return progress.Output(ctx)
	}
	return w
}

// environ gives the environment of bin/build (buildpack §Environment).
func (b *building) environ(r buildpackRun, planPath string) ([]string, error) {
	e, err := b.env.WithPlatform(b.PlatformDir, b.BuildConfigDir, r.Info.ClearEnv)
	if err != nil {
		return nil, err
	}
	e.Set("CNB_BUILDPACK_DIR", r.Dir)
	if r.api.AtLeast(0, 8) {
		e.Set("CNB_LAYERS_DIR", r.layers)
		e.Set("CNB_PLATFORM_DIR", b.PlatformDir)
		e.Set("CNB_BP_PLAN_PATH", planPath)
	}
	if r.api.AtLeast(0, 12) {
		e.Set("CNB_EXEC_ENV", orDefault(b.ExecEnv))
	}
	environ := e.List()
	if r.api.AtLeast(0, 10) {
		environ = append(environ, b.Target.Environ()...)
	}
	return environ, nil
}

func orDefault(execEnv string) string {
	if execEnv == "" {
		return lifecycle.DefaultExecEnv
	}
	return execEnv
}
