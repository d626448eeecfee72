package kit

import (
	"bytes"
	"io"
)

// lineFilter passes on all lines but those that contain sign. It holds back the line that is not complete yet.
type lineFilter struct {
	to   io.Writer
	sign []byte
	line []byte
}

// maxLine bounds how much of a line is held back, in bytes.
const maxLine = 64 << 10

// Write never says that less was written than came: what is left out was taken care of.
func (f *lineFilter) Write(p []byte) (int, error) {
	f.line = append(f.line, p...)
	for {
		end := bytes.IndexByte(f.line, '\n') + 1
		if end == 0 && len(f.line) < maxLine {
			return len(p), nil
		}
		if end == 0 {
			end = len(f.line)
		}
		line := f.line[:end]
		f.line = f.line[end:]
		if bytes.Contains(line, f.sign) {
			continue
		}
		if _, err := f.to.Write(line); err != nil {
			return 0, err
		}
	}
}

// flush passes on a last line without a line break.
func (f *lineFilter) flush() {
	if !bytes.Contains(f.line, f.sign) {
		_, _ = f.to.Write(f.line)
	}
	f.line = nil
}
