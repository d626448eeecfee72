package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
)

// The smoke test of `s2i build --smoke`: between export and publishing the image is started as `s2i run` does it, on this
// machine's network, with PORT set to a free port. It passes when the default process
//
//   - listens on that port, not on the loopback interface alone, within the time given; this is asked of the type web
//     and of every type whose launch environment says something about PORT;
//   - otherwise, of a worker: ends with status 0, or is still running after five seconds (or the time given, if that is
//     less).
//
// An image of a Dockerfile has no process types: it listens on the port that it exposes, and without one it is a worker.
// When it does not pass, the error shows the last of the process's output, and nothing is published.
const (
	smokeTime   = 30 * time.Second // for the process to listen
	workerTime  = 5 * time.Second  // for a process that need not listen to stay alive
	smokeLook   = 50 * time.Millisecond
	smokeOutput = 30 // lines of output in an error
)

// smokeFlag is the value of --smoke[=DURATION].
type smokeFlag struct{ timeout time.Duration }

// Set takes a duration, or what a flag without a value means.
func (s *smokeFlag) Set(text string) error {
	switch text {
	case "true":
		s.timeout = smokeTime
		return nil
	case "false":
		s.timeout = 0
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no duration such as 30s", text)
	}
	s.timeout = d
	return nil
}

// String gives the duration.
func (s *smokeFlag) String() string {
	if s == nil || s.timeout == 0 {
		return ""
	}
	return s.timeout.String()
}

// IsBoolFlag says that the flag needs no value.
func (s *smokeFlag) IsBoolFlag() bool { return true }

func smokeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "smoke", Value: &smokeFlag{}, Usage: "start the image before it is published, and publish it only when its process listens on $PORT within 30s, or --smoke=`DURATION`"},
		&cli.StringSliceFlag{Name: "smoke-env", Usage: "an environment variable for the smoke test, `NAME=VALUE`; repeatable"},
	}
}

// smokeCheck gives what the flags ask to be done with an image before it is published, or nil.
func smokeCheck(c *cli.Context, t *tools, targets []lifecycle.Target) (func(context.Context, v1.Image) error, error) {
	flag, ok := c.Generic("smoke").(*smokeFlag)
	vars, err := pairs("--smoke-env", c.StringSlice("smoke-env"))
	if err != nil || !ok || flag.timeout == 0 {
		return nil, err
	}
	for _, target := range targets {
		if _, err := sandbox.FindEmulator(target.Arch); err != nil {
			return nil, usageError("--smoke cannot start an image for %s: %w", target, err)
		}
	}
	if c.String("isolation") == "direct" {
		return nil, usageError("--smoke needs a sandbox to start the image in, which --isolation direct does without")
	}
	box, err := newSandbox(c, t, 0)
	if err != nil {
		return nil, err
	}
	bounds, err := limits(c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, img v1.Image) error {
		s := &smoke{box: box, timeout: flag.timeout, process: sandbox.Process{Limits: bounds}}
		return s.image(ctx, t, img, vars)
	}, nil
}

// smoke is one smoke test.
type smoke struct {
	box     sandbox.Sandbox
	process sandbox.Process
	kind    string // the process type
	port    int    // to listen on; 0 when it need not listen
	timeout time.Duration
}

// image starts the default process of an image.
func (s *smoke) image(ctx context.Context, t *tools, img v1.Image, vars map[string]string) (err error) {
	ctx, task := progress.Start(ctx, "smoke test", 0)
	defer func() { task.End(err) }()
	file, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the image's configuration: %w", err)
	}
	if s.process.Emulator, err = sandbox.FindEmulator(file.Architecture); err != nil {
		return fmt.Errorf("smoke test: %w", err)
	}
	config := &file.Config
	args := slices.Concat(config.Entrypoint, config.Cmd)
	if len(args) == 0 || args[0] == lifecycle.LauncherPath {
		return errors.New("smoke test: the image starts nothing by default: choose a process with --default-process")
	}
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("reading the image's layers: %w", err)
	}
	rootfs, release, err := snapshot.Prepare(ctx, t.store, layers, true)
	if err != nil {
		return fmt.Errorf("preparing the smoke test: %w", err)
	}
	defer release()
	if err := s.choosePort(ctx, args[0], rootfs.Lower, config); err != nil {
		return err
	}
	if s.port != 0 {
		vars = withPort(vars, s.port)
	}
	p := &s.process
	p.Rootfs, p.Args, p.Env = sandbox.Rootfs(*rootfs), args, withVars(config.Env, vars)
	p.Dir, p.Mounts = config.WorkingDir, networkFiles()
	if p.UID, p.GID, err = userIn(rootfs.Lower, config.User); err != nil {
		return fmt.Errorf("preparing the smoke test: %w", err)
	}
	return s.run(ctx)
}

// choosePort decides what is expected of the program that the image starts. An image that was not made by buildpacks
// listens on the first port that it exposes, if any.
func (s *smoke) choosePort(ctx context.Context, program string, lower []string, config *v1.Config) (err error) {
	s.kind = path.Base(program)
	if path.Dir(program) != lifecycle.ProcessDir {
		for _, text := range slices.Sorted(maps.Keys(config.ExposedPorts)) {
			number, protocol, _ := strings.Cut(text, "/")
			if port, err := strconv.ParseUint(number, 10, 16); err == nil && s.port == 0 && (protocol == "" || protocol == "tcp") {
				s.port = int(port)
			}
		}
		return nil
	}
	if listens(lower, s.kind) {
		s.port, err = freePort(ctx)
	}
	return err
}

// listens tells whether a process of this type is expected to listen: by its name, or by what layers set for it.
func listens(lower []string, kind string) bool {
	if kind == "web" {
		return true
	}
	for _, dir := range lower {
		for _, name := range []string{"PORT*", "S2I_EXPAND*"} {
			found, err := filepath.Glob(filepath.Join(dir, "layers", "*", "*", "env.launch", kind, name))
			if err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

// freePort finds a port that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port for the smoke test: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // that of a TCP listener
}

// withPort adds PORT unless the user chose one.
func withPort(vars map[string]string, port int) map[string]string {
	all := map[string]string{"PORT": strconv.Itoa(port)}
	for name, value := range vars {
		all[name] = value
	}
	return all
}

// run starts the process and ends it when the test is over.
func (s *smoke) run(ctx context.Context) error {
	if s.port != 0 {
		if port, err := strconv.Atoi(valueOf(s.process.Env, "PORT")); err == nil && port > 0 {
			s.port = port // the user's
		}
	}
	before := listening()
	out := &tail{}
	s.process.Stdout, s.process.Stderr = out, out
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var box sync.WaitGroup
	box.Go(func() { ended <- s.box.Run(running, s.process) })
	err := s.watch(ctx, ended, before)
	stop()
	box.Wait()
	if errors.As(err, new(*smokeError)) {
		return fmt.Errorf("smoke test: process %s %w%s", s.kind, err, out.quoted())
	}
	return err
}

// smokeError is the app's failure, in words that follow the process's name.
type smokeError struct{ text string }

// Error gives the words.
func (e *smokeError) Error() string { return e.text }

func failed(format string, args ...any) error { return &smokeError{fmt.Sprintf(format, args...)} }

// watch waits for the outcome. The sandbox's own failures are returned as they are.
func (s *smoke) watch(ctx context.Context, ended <-chan error, before []endpoint) error {
	limit := s.timeout
	if s.port == 0 {
		limit = min(limit, workerTime)
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	look := time.NewTicker(smokeLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-ended:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return s.atEnd(err)
		case <-deadline.C:
			if s.port == 0 {
				return nil
			}
			return failed("did not listen on $PORT, %d, within %s%s", s.port, limit, instead(before, s.port))
		case <-look.C:
			if up, err := s.up(ctx); up {
				return err
			}
		}
	}
}

// atEnd judges a process that ended by itself.
func (s *smoke) atEnd(err error) error {
	var exit *sandbox.ExitError
	switch {
	case err == nil && s.port == 0:
		return nil
	case err == nil:
		return failed("ended with status 0 before it listened on $PORT, %d", s.port)
	case errors.As(err, &exit):
		return failed("failed: %v", exit)
	}
	return fmt.Errorf("starting the image for the smoke test: %w", err)
}

// up tells whether the process listens, and what is wrong with how it does.
func (s *smoke) up(ctx context.Context) (bool, error) {
	if s.port == 0 {
		return false, nil
	}
	local, outside := false, false
	for _, e := range listening() {
		if e.port == s.port {
			local = true
			outside = outside || !e.address.IsLoopback()
		}
	}
	switch {
	case outside:
		return true, nil
	case local:
		return true, failed("listens on port %d of the loopback interface only, where nobody reaches it in a container: "+
			"let it listen on 0.0.0.0", s.port)
	}
	d := net.Dialer{Timeout: smokeLook}
	if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))); err == nil {
		return true, conn.Close()
	}
	return false, nil
}

// instead tells which ports were opened on this machine while the one asked for was not.
func instead(before []endpoint, port int) string {
	var ports []string
	for _, e := range listening() {
		text := strconv.Itoa(e.port)
		if e.port != port && !slices.Contains(before, e) && !slices.Contains(ports, text) {
			ports = append(ports, text)
		}
	}
	if len(ports) == 0 || len(ports) > 3 {
		return ""
	}
	return fmt.Sprintf("; meanwhile somebody began to listen on %s: when that is the app, let it take its port from PORT",
		strings.Join(ports, ", "))
}
