package kit

import (
	"fmt"
	"io"
	"os"

	"github.com/buildpacks/libcnb/v2/log"
)

// Log is a libcnb logger that also carries the writer of what the user reads. Its zero value writes nowhere.
type Log struct {
	// To receives what the user reads.
	To io.Writer
	// Debugging turns libcnb's own messages on; they go to the same writer.
	Debugging bool
}

var _ log.Logger = Log{}

// Out is the writer of what the user reads.
func (l Log) Out() io.Writer {
	if l.To == nil {
		return io.Discard
	}
	return l.To
}

// Debug writes a line when debugging.
func (l Log) Debug(a ...any) { _, _ = fmt.Fprintln(l.DebugWriter(), a...) }

// Debugf writes a formatted line when debugging.
func (l Log) Debugf(format string, a ...any) { _, _ = fmt.Fprintf(l.DebugWriter(), format+"\n", a...) }

// DebugWriter is the writer of libcnb's messages.
func (l Log) DebugWriter() io.Writer {
	if !l.Debugging {
		return io.Discard
	}
	return l.Out()
}

// IsDebugEnabled tells whether libcnb's messages are wanted.
func (l Log) IsDebugEnabled() bool { return l.Debugging }

// Out gives the writer of what the user reads: that of a [Log], else standard output.
func Out(logger log.Logger) io.Writer {
	if l, ok := logger.(interface{ Out() io.Writer }); ok {
		return l.Out()
	}
	return os.Stdout
}

// Say writes one line for the user.
func Say(logger log.Logger, format string, a ...any) {
	_, _ = fmt.Fprintf(Out(logger), format+"\n", a...)
}
