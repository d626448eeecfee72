package archive

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParents(t *testing.T) {
	for name, want := range map[string][]string{
		"/":                  nil,
		"/workspace":         nil,
		"/layers/acme_bp/x":  {"/layers", "/layers/acme_bp"},
		"relative/never/end": {"relative", "relative/never"},
	} {
		var got []string
		for _, h := range Parents(name, 1, 2) {
			if h.Uid != 1 || h.Gid != 2 || h.Mode != 0o755 {
				t.Errorf("above %s: %+v", name, h)
			}
			got = append(got, h.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("above %s (-want +got):\n%s", name, diff)
		}
	}
}
