package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// maxInMemory is how much of a request's body is kept in memory before the program gets it; more is kept in a file, so
// that a slow client does not keep one of few processes busy.
const maxInMemory = 64 << 10

// scripts answers requests by a FastCGI program.
type scripts struct {
	site   *Site
	root   *os.Root
	socket string
	log    io.Writer
}

// target is what of a request's path is the script.
type target struct {
	// Script is relative to the root, Info what follows it in the path.
	Script, Info string
}

// find gives the script for a path: the one that it names, the index of the directory that it names, else the front.
func (s *scripts) find(p string) (t target, ok bool) {
	suffix := s.site.FastCGI.Suffix
	rest := p
	for at := 0; ; {
		i := strings.Index(rest[at:], suffix)
		if i < 0 {
			break
		}
		end := at + i + len(suffix)
		if end == len(rest) || rest[end] == '/' {
			if name, _ := clean(rest[:end]); s.has(name) {
				return target{Script: name, Info: rest[end:]}, true
			}
		}
		at = end
	}
	name, _ := clean(p)
	index := path.Join(name, "index"+suffix)
	if s.has(index) {
		return target{Script: index}, true
	}
	if s.site.FastCGI.Front != "" && s.has(s.site.FastCGI.Front) {
		return target{Script: s.site.FastCGI.Front}, true
	}
	return target{}, false
}

// hasIndex tells whether there is a script for a directory. There may be no scripts at all.
func (s *scripts) hasIndex(dir string) bool {
	return s != nil && s.has(path.Join(dir, "index"+s.site.FastCGI.Suffix))
}

func (s *scripts) has(name string) bool {
	if hidden(name) || s.site.isHidden(name) {
		return false
	}
	info, err := s.root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// ServeHTTP passes a request on.
func (s *scripts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := s.find(r.URL.Path)
	if !ok {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	body, size, err := spool(r)
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, err)
		return
	}
	defer body.Close()
	conn, err := (&net.Dialer{}).DialContext(r.Context(), "unix", s.socket)
	if err != nil {
		s.fail(w, r, http.StatusBadGateway, err)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(r.Context(), func() { _ = conn.Close() })
	defer stop()
	go func() { _ = writeRequest(conn, s.params(r, t, size), body) }() // what goes wrong shows in the answer
	out := bufio.NewReader(&answer{from: bufio.NewReader(conn), log: s.log})
	if err := respond(w, r, out); err != nil && r.Context().Err() == nil {
		s.fail(w, r, http.StatusBadGateway, err)
	}
}

// errHalfSent is the error for an answer that has been begun.
var errHalfSent = errors.New("the answer is not complete")

func (s *scripts) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	_, _ = fmt.Fprintf(s.log, "%s %s: %v\n", r.Method, strconv.Quote(r.URL.Path), err)
	if errors.Is(err, errHalfSent) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break off an answer, so that the client can tell
	}
	http.Error(w, http.StatusText(status), status)
}

// spool reads a request's body, into a file when it is large.
func spool(r *http.Request) (io.ReadCloser, int64, error) {
	var head bytes.Buffer
	n, err := io.CopyN(&head, r.Body, maxInMemory)
	if errors.Is(err, io.EOF) {
		return io.NopCloser(&head), n, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the request: %w", err)
	}
	f, err := os.CreateTemp("", "body-")
	if err != nil {
		if r.ContentLength > 0 { // a file system that cannot be written to
			return io.NopCloser(io.MultiReader(&head, r.Body)), r.ContentLength, nil
		}
		return nil, 0, fmt.Errorf("keeping the request: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("keeping the request: %w", err), f.Close())
	}
	size, err := io.Copy(f, io.MultiReader(&head, r.Body))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("keeping the request: %w", err), f.Close())
	}
	return f, size, nil
}

// params gives the parameters of a request: CGI 1.1 (RFC 3875 §4.1) and what PHP looks for beyond it.
func (s *scripts) params(r *http.Request, t target, size int64) [][2]string {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	name, serverPort := r.Host, "80"
	if h, p, err := net.SplitHostPort(r.Host); err == nil {
		name, serverPort = h, p
	}
	p := [][2]string{
		{"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_SOFTWARE", "static-server"}, {"SERVER_PROTOCOL", r.Proto},
		{"REQUEST_METHOD", r.Method}, {"REQUEST_URI", r.URL.RequestURI()}, {"QUERY_STRING", r.URL.RawQuery},
		{"DOCUMENT_ROOT", s.site.Root}, {"DOCUMENT_URI", "/" + t.Script + t.Info}, {"SCRIPT_NAME", "/" + t.Script},
		{"SCRIPT_FILENAME", filepath.Join(s.site.Root, filepath.FromSlash(t.Script))},
		{"REMOTE_ADDR", host}, {"REMOTE_PORT", port}, {"SERVER_NAME", name}, {"SERVER_PORT", serverPort},
		{"REDIRECT_STATUS", "200"}, {"HTTP_HOST", r.Host},
	}
	if t.Info != "" {
		p = append(p, [2]string{"PATH_INFO", t.Info})
	}
	if size > 0 || r.Method == http.MethodPost {
		p = append(p, [2]string{"CONTENT_LENGTH", strconv.FormatInt(size, 10)},
			[2]string{"CONTENT_TYPE", r.Header.Get("Content-Type")})
	}
	for key, values := range r.Header {
		switch key {
		case "Proxy", "Host", "Content-Length", "Content-Type", "Connection", "Transfer-Encoding":
			continue // Proxy would be taken for the variable HTTP_PROXY
		}
		if strings.ContainsRune(key, '_') {
			continue // it could stand for another header
		}
		separator := ", "
		if key == "Cookie" {
			separator = "; "
		}
		p = append(p, [2]string{"HTTP_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_")), strings.Join(values, separator)})
	}
	return p
}

// respond passes on a CGI answer (RFC 3875 §6).
func respond(w http.ResponseWriter, r *http.Request, out *bufio.Reader) error {
	head, err := textproto.NewReader(out).ReadMIMEHeader()
	if err != nil && (len(head) == 0 || !errors.Is(err, io.EOF)) {
		return fmt.Errorf("reading the program's answer: %w", err)
	}
	status := http.StatusOK
	if head.Get("Location") != "" {
		status = http.StatusFound
	}
	if text := head.Get("Status"); text != "" {
		code, _, _ := strings.Cut(text, " ")
		const least, most = 200, 599
		if status, err = strconv.Atoi(code); err != nil || status < least || status > most {
			return fmt.Errorf("reading the program's answer: status %q", text)
		}
	}
	for key, values := range head {
		switch key {
		case "Status", "Connection", "Transfer-Encoding":
		default:
			w.Header()[key] = values
		}
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	var to io.Writer = w
	if strings.HasPrefix(head.Get("Content-Type"), "text/event-stream") || head.Get("X-Accel-Buffering") == "no" {
		to = flusher{w, http.NewResponseController(w)}
	}
	if _, err := out.WriteTo(to); err != nil {
		return fmt.Errorf("%w: %w", errHalfSent, err)
	}
	return nil
}

// flusher sends everything at once.
type flusher struct {
	w io.Writer
	c *http.ResponseController
}

// Write passes p on and sends it at once.
func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.c.Flush()
	}
	return n, err
}
