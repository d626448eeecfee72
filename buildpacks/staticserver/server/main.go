package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	defaultPort = "8080"
	// endWithin bounds how long requests that are being answered may take when the server is told to end.
	endWithin = 20 * time.Second
)

// Main runs the server of the site that args names and gives the exit code.
func Main(args []string, env func(string) string, out io.Writer) int {
	if err := run(args, env, out); err != nil {
		_, _ = fmt.Fprintln(out, "static-server: "+err.Error())
		return 1
	}
	return 0
}

func run(args []string, env func(string) string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: static-server SITE.json")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	site, err := ReadSite(args[1])
	if err != nil {
		return err
	}
	handler, err := New(site)
	if err != nil {
		return err
	}
	var h http.Handler = handler
	if env("S2I_ACCESS_LOG") != "" {
		h = logged(handler, out)
	}
	program := &child{} // its end never comes when there is none
	if site.FastCGI != nil {
		if program, err = startChild(ctx, site.FastCGI); err != nil {
			return err
		}
		handler.script = &scripts{site: site, root: handler.root, socket: program.socket, log: out}
	}
	listener, err := listen(ctx, env("PORT"))
	if err == nil {
		_, _ = fmt.Fprintf(out, "serving %d files on %s\n", len(site.Files), listener.Addr())
		err = serve(ctx, stop, listener, h, program.gone)
	}
	if program.pid > 0 {
		err = errors.Join(err, program.end())
	}
	return err
}

func listen(ctx context.Context, port string) (net.Listener, error) {
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("PORT is %q, which is no port number", port)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+port)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// serve answers requests until ctx or the FastCGI program ends; a second signal then ends the server at once.
func serve(
	ctx context.Context, stop func(), listener net.Listener, h http.Handler, gone <-chan syscall.WaitStatus,
) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case status := <-gone:
		return fmt.Errorf("serving: the FastCGI program is gone: %w", ended(status))
	case <-ctx.Done():
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		return fmt.Errorf("ending: %w", err)
	}
	return nil
}
