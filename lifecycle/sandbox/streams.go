package sandbox

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// streams connects the standard streams of a process.
type streams struct {
	in, out, err *os.File
	// theirs are our copies of files that are the child's alone.
	theirs []*os.File
	// input is our end of a copied standard input.
	input *os.File
	wait  sync.WaitGroup
}

// openStreams opens what the process gets as its standard streams. Pipes, sockets and /dev/null are passed as they
// are, so nothing is copied; everything else is copied, because runtimes change the owner of the files they are
// given, and a terminal would be a way out of the sandbox.
func openStreams(p *Process) (*streams, error) {
	s := new(streams)
	err := s.openInput(p.Stdin)
	if err == nil {
		s.out, err = s.output(p.Stdout)
	}
	switch {
	case err != nil:
	case p.Stderr != nil && sameWriter(p.Stdout, p.Stderr):
		s.err = s.out
	default:
		s.err, err = s.output(p.Stderr)
	}
	if err != nil {
		s.closeTheirs()
		s.finish()
		return nil, err
	}
	return s, nil
}

func (s *streams) openInput(r io.Reader) error {
	if r == nil {
		return s.null(&s.in, os.O_RDONLY)
	}
	if f, ok := r.(*os.File); ok && passable(f) {
		s.in = f
		return nil
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	s.in, s.input = pr, pw
	s.theirs = append(s.theirs, pr)
	// Nobody waits for this copy: it may sit in a read of r that never ends. finish makes its writes fail.
	go func() {
		_, _ = io.Copy(pw, r)
		_ = pw.Close()
	}()
	return nil
}

func (s *streams) output(w io.Writer) (*os.File, error) {
	var file *os.File
	if w == nil {
		err := s.null(&file, os.O_WRONLY)
		return file, err
	}
	if f, ok := w.(*os.File); ok && passable(f) {
		return f, nil
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.theirs = append(s.theirs, pw)
	s.wait.Go(func() {
		if _, err := io.Copy(w, pr); err != nil {
			_, _ = io.Copy(io.Discard, pr) // a reader that is gone must not stop the process
		}
		_ = pr.Close()
	})
	return pw, nil
}

// give makes a user the owner of the process's pipes, as runtimes do, so that it can open /dev/stdout and /dev/stderr.
func (s *streams) give(uid, gid int) {
	for _, f := range s.theirs {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			_ = f.Chown(uid, gid)
		}
	}
}

func (s *streams) null(to **os.File, flag int) error {
	f, err := os.OpenFile(os.DevNull, flag, 0)
	if err != nil {
		return err
	}
	*to = f
	s.theirs = append(s.theirs, f)
	return nil
}

// closeTheirs closes our copies of what the child has.
func (s *streams) closeTheirs() {
	for _, f := range s.theirs {
		_ = f.Close()
	}
	s.theirs = nil
}

// finish waits until all output has been passed on. The child must be gone.
func (s *streams) finish() {
	if s.input != nil {
		_ = s.input.Close()
	}
	s.wait.Wait()
}

// passable says whether the file can be given to a runtime as it is.
func passable(f *os.File) bool {
	var st unix.Stat_t
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	err2 := error(nil)
	if err = c.Control(func(fd uintptr) { err2 = unix.Fstat(int(fd), &st) }); err != nil || err2 != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK:
		return true
	case unix.S_IFCHR:
		return st.Rdev == unix.Mkdev(1, 3)
	}
	return false
}

// sameWriter says whether two writers are one; writers of a type that cannot be compared are not.
func sameWriter(a, b io.Writer) (same bool) {
	defer func() { _ = recover() }()
	return a == b
}
