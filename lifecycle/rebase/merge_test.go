package rebase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestMergeEnv(t *testing.T) {
	tests := map[string]struct{ old, app, run, want []string }{
		"inherited":        {[]string{"A=1"}, []string{"A=1"}, []string{"A=2"}, []string{"A=2"}},
		"gone":             {[]string{"A=1"}, []string{"A=1", "B=2"}, nil, []string{"B=2"}},
		"new":              {nil, []string{"B=2"}, []string{"A=1"}, []string{"A=1", "B=2"}},
		"set by the app":   {[]string{"A=1"}, []string{"A=app"}, []string{"A=2"}, []string{"A=app"}},
		"unset by the app": {[]string{"A=1", "B=1"}, []string{"B=1"}, []string{"A=2", "B=2"}, []string{"B=2"}},
		"path in front": {
			[]string{"PATH=/usr/bin:/bin"}, []string{"PATH=/app:/usr/bin:/bin:/last"}, []string{"PATH=/opt:/usr/bin"},
			[]string{"PATH=/app:/opt:/usr/bin:/last"},
		},
		"path mixed": {
			[]string{"PATH=/a:/b:/c"}, []string{"PATH=/c:/app:/a"}, []string{"PATH=/a:/d"}, []string{"PATH=/app:/a:/d"},
		},
		"path only of the app": {nil, []string{"PATH=/app:/x"}, []string{"PATH=/x:/y"}, []string{"PATH=/app:/x:/y"}},
		"value with =":         {[]string{"A=x=1"}, []string{"A=x=1"}, []string{"A=x=2"}, []string{"A=x=2"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mergeEnv(tt.old, tt.app, tt.run)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeConfig(t *testing.T) {
	set := func(keys ...string) map[string]struct{} {
		m := map[string]struct{}{}
		for _, k := range keys {
			m[k] = struct{}{}
		}
		return m
	}
	tests := map[string]struct{ old, app, run, want v1.Config }{
		"command follows the entrypoint": {
			old:  v1.Config{Cmd: []string{"sh"}},
			app:  v1.Config{Entrypoint: []string{"/app"}},
			run:  v1.Config{Entrypoint: []string{"/init"}, Cmd: []string{"bash"}},
			want: v1.Config{Entrypoint: []string{"/app"}},
		},
		"command inherited": {
			old:  v1.Config{Cmd: []string{"sh"}},
			app:  v1.Config{Cmd: []string{"sh"}},
			run:  v1.Config{Cmd: []string{"bash"}},
			want: v1.Config{Cmd: []string{"bash"}},
		},
		"ports and volumes": {
			old:  v1.Config{ExposedPorts: set("1/tcp", "2/tcp"), Volumes: set("/v")},
			app:  v1.Config{ExposedPorts: set("2/tcp", "9/tcp"), Volumes: set("/v")},
			run:  v1.Config{ExposedPorts: set("1/tcp", "2/tcp", "3/tcp")},
			want: v1.Config{ExposedPorts: set("2/tcp", "3/tcp", "9/tcp")},
		},
		"scalars": {
			old:  v1.Config{User: "a", WorkingDir: "/", StopSignal: "TERM"},
			app:  v1.Config{User: "a", WorkingDir: "/app", StopSignal: "TERM"},
			run:  v1.Config{User: "b", WorkingDir: "/x", StopSignal: "INT"},
			want: v1.Config{User: "b", WorkingDir: "/app", StopSignal: "INT"},
		},
		"labels": {
			old:  v1.Config{Labels: map[string]string{"a": "1", "b": "1", "gone": "1", "unset": "1"}},
			app:  v1.Config{Labels: map[string]string{"a": "1", "b": "app", "gone": "1", "c": "app"}},
			run:  v1.Config{Labels: map[string]string{"a": "2", "b": "2", "c": "2", "new": "2", "unset": "2"}},
			want: v1.Config{Labels: map[string]string{"a": "2", "b": "app", "c": "app", "new": "2"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := mergeConfig(tt.old, tt.app, tt.run)
			if len(got.Labels) == 0 {
				got.Labels = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareVersions(t *testing.T) {
	for _, v := range [][2]string{{"2.36", "2.41"}, {"2.9", "2.36"}, {"2", "2.1"}, {"GLIBCXX_3.4.9", "GLIBCXX_3.4.30"}} {
		if compareVersions(v[0], v[1]) >= 0 || compareVersions(v[1], v[0]) <= 0 || compareVersions(v[0], v[0]) != 0 {
			t.Errorf("%s is not before %s", v[0], v[1])
		}
	}
}
