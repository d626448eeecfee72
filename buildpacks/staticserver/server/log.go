package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// logged writes one line for every request, in the common log format with the milliseconds that it took.
func logged(h http.Handler, out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &counter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(c, r)
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = "-"
		}
		_, _ = fmt.Fprintf(out, "%s - - [%s] %s %d %d %dms\n", host, start.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			strconv.Quote(r.Method+" "+r.URL.RequestURI()+" "+r.Proto), c.status, c.size, time.Since(start).Milliseconds())
	})
}

// counter remembers what was answered.
type counter struct {
	http.ResponseWriter
	status int
	size   int64
}

// WriteHeader remembers the status and passes it on.
func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write counts what is passed on.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.size += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
