package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Types of records, and sizes, of FastCGI 1.0.
const (
	fcgiVersion      = 1
	fcgiBegin        = 1
	fcgiEnd          = 3
	fcgiParams       = 4
	fcgiStdin        = 5
	fcgiStdout       = 6
	fcgiStderr       = 7
	fcgiResponder    = 1
	fcgiRequest      = 1 // one request per connection, so always the same number
	fcgiHeaderSize   = 8
	fcgiMaxContent   = 65528
	fcgiLongLength   = 1 << 31
	fcgiShortLengths = 128
)

// record writes content as records of one type; empty content is the record that ends a stream.
func writeRecord(w io.Writer, kind byte, content []byte) error {
	for {
		n := min(len(content), fcgiMaxContent)
		head := [fcgiHeaderSize]byte{fcgiVersion, kind, 0, fcgiRequest}
		binary.BigEndian.PutUint16(head[4:], uint16(n))
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
		if _, err := w.Write(content[:n]); err != nil {
			return err
		}
		if content = content[n:]; len(content) == 0 {
			return nil
		}
	}
}

// writeRequest writes a whole request: its parameters, then body.
func writeRequest(conn net.Conn, params [][2]string, body io.Reader) error {
	w := bufio.NewWriterSize(conn, fcgiMaxContent+fcgiHeaderSize)
	if err := writeRecord(w, fcgiBegin, []byte{0, fcgiResponder, 0, 0, 0, 0, 0, 0}); err != nil {
		return err
	}
	var content []byte
	for _, p := range params {
		content = appendLength(content, len(p[0]))
		content = appendLength(content, len(p[1]))
		content = append(append(content, p[0]...), p[1]...)
	}
	if err := writeRecord(w, fcgiParams, content); err != nil {
		return err
	}
	if err := writeRecord(w, fcgiParams, nil); err != nil {
		return err
	}
	chunk := make([]byte, fcgiMaxContent/2)
	for body != nil {
		n, err := body.Read(chunk)
		if n > 0 {
			if err := writeRecord(w, fcgiStdin, chunk[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := writeRecord(w, fcgiStdin, nil); err != nil {
		return err
	}
	return w.Flush()
}

func appendLength(b []byte, n int) []byte {
	if n < fcgiShortLengths {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|fcgiLongLength)
}

// answer reads what a FastCGI program writes to its standard output; its error output goes to log.
type answer struct {
	from      *bufio.Reader
	log       io.Writer
	left, pad int
	ended     bool
}

// Read gives what the program's next records hold, and io.EOF once it has ended the request.
func (a *answer) Read(p []byte) (int, error) {
	for a.left == 0 {
		if a.ended {
			return 0, io.EOF
		}
		if err := a.next(); err != nil {
			return 0, err
		}
	}
	n, err := a.from.Read(p[:min(len(p), a.left)])
	a.left -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads up to the content of the next record of output.
func (a *answer) next() error {
	if _, err := a.from.Discard(a.pad); err != nil {
		return fmt.Errorf("reading from the FastCGI program: %w", err)
	}
	var head [fcgiHeaderSize]byte
	if _, err := io.ReadFull(a.from, head[:]); err != nil {
		return fmt.Errorf("reading from the FastCGI program: %w", err)
	}
	size := int(binary.BigEndian.Uint16(head[4:]))
	a.pad = int(head[6])
	switch head[1] {
	case fcgiStdout:
		a.left = size
		return nil
	case fcgiEnd:
		a.ended = true
	case fcgiStderr:
		if size > 0 {
			line := make([]byte, size, size+1)
			if _, err := io.ReadFull(a.from, line); err != nil {
				return fmt.Errorf("reading from the FastCGI program: %w", err)
			}
			if line[size-1] != '\n' {
				line = append(line, '\n')
			}
			_, _ = a.log.Write(line)
		}
		return nil
	}
	_, err := a.from.Discard(size)
	return err
}
