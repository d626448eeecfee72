package source

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A fetched source knows when it was made, and a directory does not.
func TestMade(t *testing.T) {
	archive := tarOf(t, "", app)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/says/app.tar" {
			w.Header().Set("Last-Modified", time.Unix(1_400_000_000, 0).UTC().Format(http.TimeFormat))
		}
		_, _ = w.Write(archive)
	}))
	defer server.Close()
	repo, _, _ := repository(t)
	file := filepath.Join(t.TempDir(), "app.tar")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		src  string
		want int64 // 0 for none
	}{
		{put(t, t.TempDir(), app), 0},
		{"file://" + repo, 1_000_000_000},
		{file, 1_000_000_000},
		{server.URL + "/app.tar", 1_000_000_000},
		{server.URL + "/says/app.tar", 1_400_000_000},
	} {
		made := open(t, c.src, Options{}).Made
		if c.want == 0 && !made.IsZero() || c.want != 0 && made.Unix() != c.want {
			t.Errorf("%s was made at %v, want %d", c.src, made, c.want)
		}
	}
}
