package lifecycle

import "errors"

// Exit codes of the phases (platform §Lifecycle exit codes).
const (
	ExitFailed          = 1
	ExitInvalidArgs     = 3
	ExitPlatformAPI     = 11
	ExitBuildpackAPI    = 12
	ExitNoneDetected    = 20
	ExitDetectErrored   = 21
	ExitDetect          = 22
	ExitAnalyze         = 32
	ExitRestore         = 42
	ExitBuildpackFailed = 51
	ExitBuild           = 52
	ExitExport          = 62
	ExitRebase          = 72
	ExitLaunch          = 82
	ExitGenerate        = 92
	ExitExtend          = 102
)

// CodedError is an error that decides the exit code of a phase.
type CodedError struct {
	Code int
	Err  error
}

// Error gives the message of the wrapped error.
func (e *CodedError) Error() string { return e.Err.Error() }

// Unwrap gives the wrapped error.
func (e *CodedError) Unwrap() error { return e.Err }

// WithCode attaches an exit code to err, unless err is nil or carries one already: the code nearest to the cause
// is the most exact one.
func WithCode(code int, err error) error {
	var coded *CodedError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &CodedError{Code: code, Err: err}
}

// ExitCode gives the exit code for err: 0 for nil, ExitFailed when nothing in its chain says otherwise.
func ExitCode(err error) int {
	var coded *CodedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.Code
	default:
		return ExitFailed
	}
}
