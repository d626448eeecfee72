package native

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

func TestMissing(t *testing.T) {
	needs := lifecycle.Needs{Libraries: map[string][]string{"libz.so.1": nil, "libc.so.6": {"GLIBC_2.2.5"}, "libcuda.so.1": nil, "liba.so": nil}}
	got := Missing(needs, map[string][]string{"libc.so.6": {}})
	if d := cmp.Diff([]string{"liba.so", "libz.so.1"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJudge(t *testing.T) {
	file := func(path, soname string, needed ...string) File {
		return File{Path: path, Soname: soname, Needed: needed}
	}
	const site = "/layers/s2i_python/venv/lib/python3.13/site-packages/"
	for name, c := range map[string]struct {
		file  File
		more  []File
		fatal bool
	}{
		"extension module of Python": {file: file(site+"a/_a.cpython-313-x86_64-linux-gnu.so", "", "libm.so.1"), fatal: true},
		"stable ABI":                 {file: file(site+"a/_a.abi3.so", "", "libm.so.1"), fatal: true},
		"add-on of Node.js":          {file: file("/workspace/node_modules/a/build/Release/a.node", "", "libm.so.1"), fatal: true},
		"library in the search path": {file: file("/layers/x/y/lib/liba.so.1", "", "libm.so.1"), fatal: true},
		"library elsewhere":          {file: file("/layers/x/y/share/liba.so.1", "", "libm.so.1")},
		"plugin":                     {file: file(site+"PyQt/plugins/sqldrivers/libqsqlmysql.so", "", "libm.so.1")},
		"tool":                       {file: file("/workspace/tools/tool", "", "libm.so.1")},
		"program of a process":       {file: file("/workspace/server", "", "libm.so.1"), fatal: true},
		"by way of another library": {file: file(site+"a.libs/libx-123.so.1", "libx-123.so.1", "libm.so.1"), fatal: true,
			more: []File{file(site+"a/_a.abi3.so", "", "libx-123.so.1")}},
		"one of several builds": {file: file("/workspace/p/libquery-openssl-1.1.x.so.node", "", "libm.so.1"),
			more: []File{file("/workspace/p/libquery-openssl-3.0.x.so.node", "", "libssl.so.3")}},
		"the only build": {file: file("/workspace/p/libquery-openssl-1.1.x.so.node", "", "libm.so.1"), fatal: true,
			more: []File{file("/workspace/p/libother.so.node", "")}},
		"libraries in a circle": {file: file("/workspace/a.node", "", "libm.so.1", "libb.so"), fatal: true,
			more: []File{file("/workspace/libb.so", "libb.so", "libc1.so"), file("/workspace/libc1.so", "", "libb.so", "libc1.so")}},
	} {
		got := Judge(append(c.more, c.file), []string{"libm.so.1"}, []string{"/workspace/server"})
		want := []Problem{{"libm.so.1", c.file.Path, c.fatal}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	got := Judge(nil, []string{"libm.so.1"}, nil)
	if d := cmp.Diff([]Problem{{Library: "libm.so.1"}}, got); d != "" {
		t.Errorf("unknown files (-want +got):\n%s", d)
	}
}
