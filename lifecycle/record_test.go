package lifecycle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

func TestPlainLine(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"plain", 10, "plain"},
		{" two\n\tlines ", 20, "two lines"},
		{"\x1b[31mred\x1b[0m", 20, "red"},
		{"\x1b]0;title\arest", 20, "rest"},
		{"\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\", 20, "link"},
		{"\x1b]never closed", 20, ""},
		{"\x1b[never closed", 20, "ever closed"},
		{"\x1bcreset\x1b", 20, "reset"},
		{"a\x00b\x07c\u202ed\xff", 20, "abcd"},
		{"grüße", 3, "gr…"},
		{"grüße", 4, "grü…"},
		{strings.Repeat("x", 1000), 3, "xxx…"},
		{"", 3, ""},
	} {
		if got := lifecycle.PlainLine(c.in, c.most); got != c.want {
			t.Errorf("PlainLine(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

func TestRecordOf(t *testing.T) {
	meta := map[string]any{"record": map[string]any{
		"summary":  "Go \x1b[31m1.25",
		"facts":    []map[string]any{{"topic": "build", "text": "go build", "source": "go.mod:1"}},
		"starts":   []any{map[string]any{"type": "web", "command": "app", "score": int64(900), "chosen": true}},
		"hosts":    []any{map[string]any{"name": "fonts.example.com", "why": "fonts"}},
		"warnings": []any{"no lock"},
	}}
	requires := []lifecycle.Require{{Name: "go"}, {Name: "x/go"}, {Name: "x/go", Metadata: meta}}
	got, err := lifecycle.RecordOf("x/go", requires)
	if err != nil {
		t.Fatal(err)
	}
	want := lifecycle.Record{
		Summary: "Go 1.25", Facts: []lifecycle.Fact{{Topic: "build", Text: "go build", Source: "go.mod:1"}},
		Starts:   []lifecycle.Start{{Type: "web", Command: "app", Score: 100, Chosen: true}},
		Hosts:    []lifecycle.Host{{Name: "fonts.example.com", Why: "fonts"}},
		Warnings: []string{"no lock"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := lifecycle.RecordOf("x/node", requires); err != nil || got.Summary != "" {
		t.Errorf("of another buildpack: %+v, %v", got, err)
	}
	for name, bad := range map[string]any{
		"another type": "text", "another type inside": map[string]any{"facts": 3},
		"too large": map[string]any{"summary": strings.Repeat("x", 2<<20)}, "no JSON": map[string]any{"summary": func() {}},
	} {
		requires[2].Metadata = map[string]any{"record": bad}
		if _, err := lifecycle.RecordOf("x/go", requires); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"summary":"a\u001b[0m","facts":[{"text":"x"}],"starts":[{"type":"web","score":-1,"evidence":["\u0007"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var value any
		if json.Unmarshal(data, &value) != nil {
			return
		}
		r, err := lifecycle.RecordOf("x", []lifecycle.Require{{Name: "x", Metadata: map[string]any{"record": value}}})
		if err != nil {
			return
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var strs []string
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case string:
				strs = append(strs, v)
			case []any:
				for _, e := range v {
					walk(e)
				}
			case map[string]any:
				for _, e := range v {
					walk(e)
				}
			}
		}
		var again any
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatal(err)
		}
		walk(again)
		for _, s := range strs {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || len(s) > 500 {
				t.Fatalf("%q came through", s)
			}
		}
	})
}
