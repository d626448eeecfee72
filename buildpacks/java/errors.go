package java

import (
	"fmt"
	"strconv"
)

// rejection is a reason for which an app cannot be built as it is; everything else is trouble with reading it.
type rejection struct {
	text string
	// library tells that there is nothing to start: in an app of another language that is no reason to stop.
	library bool
}

// Error gives the reason.
func (r *rejection) Error() string { return r.text }

func reject(format string, a ...any) error { return &rejection{text: fmt.Sprintf(format, a...)} }

func rejectLibrary(format string, a ...any) error {
	return &rejection{text: fmt.Sprintf(format, a...), library: true}
}

func itoa(n int) string { return strconv.Itoa(n) }

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
