package lifecycle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMergeNeeds(t *testing.T) {
	addon := LayerNeeds{Libraries: map[string][]string{
		"libc.so.6":   {"GLIBC_2.34", "GLIBC_2.2.5"},
		"libfoo.so.1": {},
	}}
	lib := LayerNeeds{
		Libraries:    map[string][]string{"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.38"}},
		Interpreters: []string{"/lib64/ld-linux-x86-64.so.2"},
		Provides:     []string{"libfoo.so.1"},
	}
	got := MergeNeeds(map[string]LayerNeeds{"sha256:a": addon, "sha256:b": lib, "sha256:c": {}})
	want := Needs{
		Libraries:    map[string][]string{"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.38"}},
		Interpreters: []string{"/lib64/ld-linux-x86-64.so.2"},
		Layers:       map[string]LayerNeeds{"sha256:a": addon, "sha256:b": lib},
		Form:         NeedsForm,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Needs{Form: NeedsForm}, MergeNeeds(nil)); diff != "" {
		t.Errorf("needs of nothing (-want +got):\n%s", diff)
	}
}
