package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"s2i/lifecycle"
)

// Generate lets an extension write its Dockerfiles to the directory output, by running its bin/generate in place, or by
// copying its directory generate when it has no program (image_extension.md §Generation).
func Generate(ctx context.Context, ext lifecycle.Buildpack, plan lifecycle.BuildpackPlan, output string, o ExecOptions, log io.Writer) error {
	if err := os.MkdirAll(output, 0o755); err != nil {
		return fmt.Errorf("making the output directory of extension %s: %w", ext.Element(), err)
	}
	program := filepath.Join(ext.Dir, "bin", "generate")
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		static := filepath.Join(ext.Dir, "generate")
		if _, err := os.Stat(static); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := os.CopyFS(output, os.DirFS(static)); err != nil {
			return fmt.Errorf("copying what extension %s has ready: %w", ext.Element(), err)
		}
		return nil
	}
	api, err := lifecycle.CheckBuildpackAPI(ext.Element().String(), ext.API)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.TempDir, "generate-")
	if err != nil {
		return fmt.Errorf("making a place for the buildpack plan: %w", err)
	}
	defer os.RemoveAll(dir)
	planPath := filepath.Join(dir, "plan.toml")
	if err := lifecycle.WriteBuildpackPlan(planPath, plan); err != nil {
		return err
	}
	environ, err := o.environ(ext, api, planPath)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, output, o.PlatformDir, planPath)
	cmd.Dir, cmd.Stdout, cmd.Stderr = o.AppDir, log, log
	cmd.Env = append(environ, "CNB_OUTPUT_DIR="+output, "CNB_BP_PLAN_PATH="+planPath)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running bin/generate of extension %s: %w", ext.Element(), err)
	}
	return nil
}
