package other

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

func TestScript(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		app   string
		want  string // command and packages; "" for none; or the error
	}{
		{"bash", map[string]string{"start.sh": "#!/usr/bin/env bash\necho a | sed s/a/b/ # | curl\nif grep x y; then\n  exec nc -l\nfi\n",
			"other.sh": ""}, "", "bash start.sh: bash coreutils sed grep netcat-openbsd"},
		{"no shell", map[string]string{"run.sh": "echo sed; x=\"$(find .)\"\n"}, "", "sh run.sh: dash coreutils findutils"},
		{"zsh", map[string]string{"start.sh": "#!/bin/zsh -e\n"}, "", "zsh start.sh: zsh coreutils"},
		{"named", map[string]string{"start.sh": "", "bin/go.sh": "#!/bin/sh"}, "./bin/go.sh", "sh bin/go.sh: dash coreutils"},
		{"named, not there", map[string]string{"start.sh": ""}, "../x.sh", "S2I_APP is ../x.sh, which is no file of the app"},
		{"not a shell", map[string]string{"start.sh": "#!/usr/bin/python3\n"}, "", "start.sh:1: python3 is no shell that s2i knows"},
		{"which", map[string]string{"build.sh": "", "test.sh": ""}, "", "name build.sh or test.sh with --app"},
		{"none", map[string]string{"README": ""}, "", ""},
		{"Dockerfile", map[string]string{"Dockerfile": "", "entrypoint.sh": ""}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := findScript(kittest.Open(t, c.files), kit.Env{envApp: c.app})
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got the error %s, want %s", err, c.want)
				}
				return
			}
			got := ""
			if s != nil {
				got = strings.Join(s.command(), " ") + ":"
				for _, n := range s.Packages {
					got += " " + n.Name
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
