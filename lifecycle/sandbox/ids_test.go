package sandbox

import (
	"strings"
	"testing"
)

func TestParseSubIDs(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want idRange
		ok   bool
	}{
		"name":        {"other:1:2\nme:100000:65536\n", idRange{100000, 65536}, true},
		"number":      {"501:200000:1000\n", idRange{200000, 1000}, true},
		"too many":    {"me:100000:1000000\n", idRange{100000, 65536}, true},
		"none":        {"other:100000:65536\n", idRange{}, false},
		"empty names": {":1:2\n", idRange{}, false},
		"garbage":     {"me:x:y\nme:1\nme:0:5\nme:5:0\nme:4294967295:9\nme:-1:5\n", idRange{}, false},
	} {
		got, ok := parseSubIDs(strings.NewReader(tc.file), "me", "501")
		if got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %v %v", name, got, ok)
		}
	}
}

func FuzzParseSubIDs(f *testing.F) {
	f.Add("me:100000:65536\n")
	f.Fuzz(func(t *testing.T, file string) {
		r, ok := parseSubIDs(strings.NewReader(file), "me", "501")
		if ok && (r.First <= 0 || r.Count <= 0 || r.First+r.Count > 1<<32) {
			t.Errorf("range %v", r)
		}
	})
}
