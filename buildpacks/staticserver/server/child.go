package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// envSocket tells the FastCGI program where to listen.
	envSocket = "S2I_FASTCGI_SOCKET"
	// startWithin and quitWithin bound how long the program may take to listen, and to end.
	startWithin = 30 * time.Second
	quitWithin  = 5 * time.Second
)

// child is the FastCGI program.
type child struct {
	pid    int
	dir    string
	socket string
	// gone gets the program's end.
	gone chan syscall.WaitStatus
}

// startChild starts the program and waits until it listens.
func startChild(ctx context.Context, f *FastCGI) (*child, error) {
	dir, err := os.MkdirTemp("", "s2i-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the socket (%s must be writable): %w", os.TempDir(), err)
	}
	c := &child{dir: dir, socket: filepath.Join(dir, "fastcgi.sock"), gone: make(chan syscall.WaitStatus, 1)}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", f.Command[0], err)
	}
	defer null.Close()
	c.pid, err = syscall.ForkExec(f.Command[0], f.Command, &syscall.ProcAttr{
		Env: append(os.Environ(), envSocket+"="+c.socket), Files: []uintptr{null.Fd(), os.Stderr.Fd(), os.Stderr.Fd()},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", f.Command[0], err)
	}
	go c.reap()
	return c, c.ready(ctx)
}

// reap waits for every child: as process 1 the server also inherits those that others leave behind.
func (c *child) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == c.pid:
			c.gone <- status
		}
	}
}

// ready waits until the program listens.
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case status := <-c.gone:
			return fmt.Errorf("starting the FastCGI program: %w", ended(status))
		case <-ctx.Done():
			return errors.Join(errors.New("waiting for the FastCGI program to listen: it does not"), c.end())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end ends the program: it may finish what it is at, then it is told to stop, then it is killed.
func (c *child) end() error {
	defer os.RemoveAll(c.dir)
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGKILL} {
		err := syscall.Kill(c.pid, s)
		if errors.Is(err, syscall.ESRCH) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ending the FastCGI program: %w", err)
		}
		select {
		case <-c.gone:
			return nil
		case <-time.After(quitWithin):
		}
	}
	return errors.New("ending the FastCGI program: it does not end")
}

func ended(status syscall.WaitStatus) error {
	if status.Signaled() {
		return fmt.Errorf("it was ended by signal %d", status.Signal())
	}
	return fmt.Errorf("it ended with code %d", status.ExitStatus())
}
