package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// signalError is the cause of a context that a signal has ended.
type signalError struct{ signal syscall.Signal }

// Error says what happened in the words of somebody who did it.
func (e *signalError) Error() string { return fmt.Sprintf("stopped by a signal (%s)", e.signal) }

// code is the exit code that shells expect of who was ended by the signal.
func (e *signalError) code() int { return 128 + int(e.signal) }

// withSignals gives a context that ends with the first SIGINT or SIGTERM, with a *signalError as its cause. A second
// one ends the program at once, as if nobody caught it.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			if number, ok := s.(syscall.Signal); ok {
				cancel(&signalError{number})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}
