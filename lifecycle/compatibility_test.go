package lifecycle

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompatibilityJSON(t *testing.T) {
	tests := map[string]Compatibility{
		`{}`:                                    {Keys: map[string]string{}},
		`{"glibc":"2.41","node-modules":"137"}`: {Keys: map[string]string{"glibc": "2.41", "node-modules": "137"}},
		`{"libraries":{}}`:                      {Keys: map[string]string{}, Libraries: map[string][]string{}},
		`{"a":"1","libraries":{"libz.so.1":[]}}`: {
			Keys: map[string]string{"a": "1"}, Libraries: map[string][]string{"libz.so.1": {}},
		},
	}
	for text, want := range tests {
		var got Compatibility
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		back, err := json.Marshal(got)
		if err != nil || string(back) != text {
			t.Errorf("%s is written as %s, %v", text, back, err)
		}
	}
	var got Compatibility
	if err := json.Unmarshal([]byte(`{"java":21}`), &got); err != nil || got.Keys["java"] != "21" {
		t.Errorf("a number is read as %v, %v", got, err)
	}
}

func FuzzCompatibility(f *testing.F) {
	f.Add(`{"glibc":"2.41","libraries":{"libc.so.6":["GLIBC_2.34"]}}`)
	f.Add(`{"libraries":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c Compatibility
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Error(err)
		}
	})
}
