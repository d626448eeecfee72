package buildpacks

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
	"s2i/lifecycle"
)

// Detect runs the detection of a built-in buildpack in-process. platformDir may be "" or absent. What the buildpack
// says goes to out; when it does not match, the last line is its reason. An error of the buildpack's own is returned as
// it is: it says why an app that the buildpack recognises cannot be built.
func Detect(ctx context.Context, id, appDir, platformDir string, out io.Writer) (libcnb.DetectResult, error) {
	b, err := Find(id)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	info, err := b.Info()
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	platform, err := readPlatform(platformDir)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	if err := ctx.Err(); err != nil {
		return libcnb.DetectResult{}, fmt.Errorf("detecting with %s: %w", id, err)
	}
	return b.Detect(libcnb.DetectContext{
		ApplicationPath: appDir,
		Buildpack:       info,
		Logger:          kit.Log{To: out},
		Platform:        platform,
	})
}

// Plan gives a detection's build plans in the form of the lifecycle's nouns.
func Plan(result libcnb.DetectResult) lifecycle.BuildPlan {
	var plan lifecycle.BuildPlan
	for i, p := range result.Plans {
		var s lifecycle.PlanSections
		for _, r := range p.Requires {
			s.Requires = append(s.Requires, lifecycle.Require{Name: r.Name, Metadata: r.Metadata})
		}
		for _, r := range p.Provides {
			s.Provides = append(s.Provides, lifecycle.Provide{Name: r.Name})
		}
		if i == 0 {
			plan.PlanSections = s
		} else {
			plan.Or = append(plan.Or, s)
		}
	}
	return plan
}

// maxEnvFile bounds one variable of the platform directory: the kernel's own limit.
const maxEnvFile = 128 << 10

// readPlatform reads <platform>/env and <platform>/bindings (platform §Platform). libcnb's own reader also looks at
// the process's environment, which in-process is not the build's.
func readPlatform(dir string) (libcnb.Platform, error) {
	platform := libcnb.Platform{Path: dir, Environment: map[string]string{}}
	if dir == "" {
		return platform, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, "env"))
	if err != nil && !os.IsNotExist(err) {
		return platform, fmt.Errorf("reading the platform's environment: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		value, err := readSmall(filepath.Join(dir, "env", e.Name()))
		if err != nil {
			return platform, fmt.Errorf("reading the platform's environment: %w", err)
		}
		platform.Environment[e.Name()] = value
	}
	if platform.Bindings, err = libcnb.NewBindingsFromPath(filepath.Join(dir, "bindings")); err != nil {
		return platform, fmt.Errorf("reading the platform's bindings: %w", err)
	}
	return platform, nil
}

func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEnvFile {
		return "", &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("no regular file of at most %d bytes", maxEnvFile)}
	}
	data, err := os.ReadFile(path)
	return string(data), err
}
