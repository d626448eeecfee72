package dockerfile

import (
	"strings"
	"testing"
	"time"
)

// TestEpoch takes the time of creation from the argument for it, as BuildKit does: given, declared, or neither.
func TestEpoch(t *testing.T) {
	for _, c := range []struct {
		name, file, arg string
		option          time.Time
		want            int64
		wrong           string
	}{
		{"given", "FROM scratch\nLABEL a=b\n", "1700000000", time.Time{}, 1700000000, ""},
		{"declared", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM scratch\nLABEL a=b\n", "", time.Time{}, 1600000000, ""},
		{"given wins", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM scratch\nLABEL a=b\n", "1700000000", time.Time{}, 1700000000, ""},
		{"option wins", "FROM scratch\nLABEL a=b\n", "1700000000", time.Unix(5, 0), 5, ""},
		{"no number", "FROM scratch\nLABEL a=b\n", "context", time.Time{}, 0, "only seconds since 1970"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newBench(t, nil)
			w.options.Created = c.option
			if c.arg != "" {
				w.options.Args = map[string]string{"SOURCE_DATE_EPOCH": c.arg}
			}
			img, err := w.image(c.file)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Created.Unix(); got != c.want {
				t.Errorf("created %d, want %d", got, c.want)
			}
			if got := config.History[0].Created.Unix(); got != c.want {
				t.Errorf("the history says %d, want %d", got, c.want)
			}
		})
	}
}
