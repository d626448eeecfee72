package image

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	tests := map[string]Ref{
		"app":                             {Kind: Local, Name: "app"},
		"app:1":                           {Kind: Local, Name: "app:1"},
		"team/app:1":                      {Kind: Local, Name: "team/app:1"},
		"sha256:" + hex:                   {Kind: Local, Name: "sha256:" + hex},
		"store:example.com/app:1":         {Kind: Local, Name: "example.com/app:1"},
		"store:localhost:5000/app:1":      {Kind: Local, Name: "localhost:5000/app:1"},
		"example.com/app":                 {Kind: Registry, Name: "example.com/app"},
		"localhost/app:1":                 {Kind: Registry, Name: "localhost/app:1"},
		"127.0.0.1:5000/a/b:1":            {Kind: Registry, Name: "127.0.0.1:5000/a/b:1"},
		"registry:5000/app@sha256:" + hex: {Kind: Registry, Name: "registry:5000/app@sha256:" + hex},
		"oci:out":                         {Kind: OCILayout, Path: "out"},
		"oci:out:v1":                      {Kind: OCILayout, Path: "out", Name: "v1"},
		"docker-archive:a.tar":            {Kind: DockerArchive, Path: "a.tar"},
		"docker-archive:/x/a.tar:app:1":   {Kind: DockerArchive, Path: "/x/a.tar", Name: "app:1"},
		"oci-archive:a.tar:localhost:5/a": {Kind: OCIArchive, Path: "a.tar", Name: "localhost:5/a"},
		"docker-daemon:app:1":             {Kind: Daemon, Name: "app:1"},
		"docker-daemon:example.com/app:1": {Kind: Daemon, Name: "example.com/app:1"},
	}
	for s, want := range tests {
		got, err := Parse(s)
		if err != nil {
			t.Errorf("Parse(%q): %v", s, err)
			continue
		}
		if got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", s, got, want)
		}
		if got.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, got.String())
		}
	}
	for _, s := range []string{
		"", "App", "oci:", "docker-daemon:", "example.com/App", "a b", "store:", "app:", "http://example.com/app",
	} {
		if got, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"app:1", "localhost:5000/app@sha256:00", "oci:dir:tag", "docker-archive:f:n:t", ":::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(ref.String())
		if err != nil || again != ref {
			t.Errorf("Parse(%q) = %+v, which is written %q and read as %+v, %v", s, ref, ref.String(), again, err)
		}
	})
}
