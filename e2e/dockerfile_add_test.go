//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestDockerfileAddsFromTheNetwork adds a file of a server, with and without its checksum.
func TestDockerfileAddsFromTheNetwork(t *testing.T) {
	t.Parallel()
	var full atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full.Add(1)
		fmt.Fprint(w, "from the server")
	}))
	defer server.Close()
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("from the server")))
	build := func(text string) (*unpacked, error) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		layout := filepath.Join(t.TempDir(), "image")
		_, errOut, err := s2i("build", "--strategy", "dockerfile", dir, "-t", "oci:"+layout+":1").try(t.Context())
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, errOut)
		}
		return unpackImage(t, layout), nil
	}
	text := "FROM scratch\nADD " + server.URL + "/dir/data.txt /d/\nADD --checksum=" + sum + " --chmod=644 " + server.URL + "/dir/data.txt /other\n"
	for range 2 {
		u, err := build(text)
		if err != nil {
			t.Fatal(err)
		}
		if u.describe("/d/data.txt") != "from the server" || u.describe("/d/data.txt?") != "100600 0:0" || u.describe("/other?") != "100644 0:0" {
			t.Errorf("got %v", u.files)
		}
	}
	if got := full.Load(); got != 1 {
		t.Errorf("the file was downloaded %d times, want once", got)
	}
	if _, err := build("FROM scratch\nADD --checksum=sha256:" + strings.Repeat("0", 64) + " " + server.URL + "/x /x\n"); err == nil || !strings.Contains(err.Error(), "its checksum is "+sum) {
		t.Errorf("a wrong checksum: got %v", err)
	}
}
