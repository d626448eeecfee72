package kit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

func TestParseProcfile(t *testing.T) {
	text := "\ufeff# comment\n// another\n\nweb:  node server.js  \r\nworker-2 : a: b\nx_y:z"
	got, err := kit.ParseProcfile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []kit.ProcfileEntry{{"web", "node server.js", 4}, {"worker-2", "a: b", 5}, {"x_y", "z", 6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseProcfileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "names no process",
		"# only\n":                          "names no process",
		"web node":                          "Procfile:1: no process",
		"web: a\nweb: b":                    "Procfile:2: the process web stands on line 1 too",
		"web:":                              "Procfile:1: no process",
		"we.b: a":                           "Procfile:1: no process",
		strings.Repeat("x", 64) + ": a":     "Procfile:1: no process",
		"web: a\n\n  bad line here: really": "Procfile:3: no process",
	} {
		_, err := kit.ParseProcfile([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseProcfile(%q): %v; want %q", text, err, want)
		}
	}
}

func FuzzParseProcfile(f *testing.F) {
	f.Add([]byte("web: a\nworker: b $C\n"))
	f.Add([]byte("\ufeff#\r\nweb:\ta"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := kit.ParseProcfile(data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if e.Type == "" || len(e.Type) > 63 || seen[e.Type] || strings.TrimSpace(e.Command) == "" || e.Line < 1 {
				t.Fatalf("%q gave %+v", data, e)
			}
			seen[e.Type] = true
		}
	})
}
