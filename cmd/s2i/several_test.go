package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
	"s2i/stacks"
	versions "s2i/stacks/version"
)

func TestStackNames(t *testing.T) {
	for text, want := range map[string]string{`stack = "a"`: "a", `stack = ["a", "b"]`: "a b", `stack = []`: ""} {
		var b builderFile
		if _, err := toml.Decode(text, &b); err != nil || strings.Join(b.Stack, " ") != want {
			t.Errorf("%s: %q, %v", text, b.Stack, err)
		}
	}
	for _, bad := range []string{`stack = 3`, `stack = ["a", 3]`, `stack = ""`} {
		var b builderFile
		if _, err := toml.Decode(bad, &b); err == nil {
			t.Errorf("%s was read as %q", bad, b.Stack)
		}
	}
}

// smallerStack is the built-in stack under another name, with the versions of node that keep says.
func smallerStack(t *testing.T, st *store.Store, name string, keep func(string) bool) *composed {
	t.Helper()
	s, err := stacks.Load("trixie")
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Name, s.Offline, s.Store = name, true, st
	var kept []stacks.Tool
	for _, tool := range s.Lock.Tools["node"] {
		if keep(tool.Version) {
			kept = append(kept, tool)
		}
	}
	s.Lock.Tools["node"] = kept
	return &composed{Stack: s, identity: name, policy: versions.Compatible}
}

// TestSeveralStacks chooses between a stack without an old line of node and one that has it.
func TestSeveralStacks(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	for _, c := range []struct{ asked, kind, locked, want string }{
		{">=20", "", "", "first"},
		{"^20", "", "", "second"},
		{"20", "hint", "", "second"},
		{">=20", "", "second", "second"},
		{"^18", "", "", ""},
	} {
		s := &several{list: []*composed{
			smallerStack(t, st, "first", func(v string) bool { return !strings.HasPrefix(v, "20.") }),
			smallerStack(t, st, "second", func(string) bool { return true }),
		}}
		if c.locked != "" {
			useLock(s, &stacks.AppLock{Stack: c.locked})
		}
		meta := map[string]any{"version": c.asked, "version-source": "package.json:3", "build": true}
		if c.kind != "" {
			meta["version-kind"] = c.kind
		}
		plan, err := s.Plan(t.Context(), hostTarget(), []lifecycle.Require{{Name: "node", Metadata: meta}}, false)
		var unobtainable *stacks.UnobtainableError
		switch {
		case c.want == "" && (!errors.As(err, &unobtainable) || len(unobtainable.Tried) != 2):
			t.Errorf("%v: %v", c, err)
		case c.want != "" && (err != nil || plan.Image.Stack != c.want):
			t.Errorf("%v: %+v, %v", c, plan, err)
		}
	}
}
