package stacks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"s2i/stacks/npm"
	"s2i/stacks/stacktest"
)

// nodeSite makes a distribution site with some releases.
func nodeSite(t *testing.T, versions ...string) *stacktest.Server {
	t.Helper()
	site := stacktest.NewServer(t)
	var index []string
	for _, v := range versions {
		var sums strings.Builder
		for _, arch := range []string{"x64", "arm64"} {
			dir := "node-v" + v + "-linux-" + arch
			b := stacktest.Compress(t, stacktest.Tar(t, []stacktest.File{{Name: dir + "/"}, {Name: dir + "/bin/node", Body: "official " + v, Mode: 0o755},
				{Name: dir + "/bin/npm", Link: "../lib/x"}, {Name: dir + "/LICENSE", Body: "MIT"},
				{Name: dir + "/include/node/node.h", Body: "h"}}), ".gz")
			site.Put("/v"+v+"/"+dir+".tar.gz", b)
			fmt.Fprintf(&sums, "%s  %s.tar.gz\n", stacktest.Sum(b), dir)
		}
		site.Put("/v"+v+"/SHASUMS256.txt", []byte(sums.String()))
		index = append(index, fmt.Sprintf(`{"version":"v%s","files":["linux-x64","linux-arm64","win-x64-zip"]}`, v))
	}
	site.Put("/index.json", []byte("["+strings.Join(index, ",")+"]"))
	return site
}

func TestNodeFromItsMaker(t *testing.T) {
	w := newWorld(t)
	site := nodeSite(t, "24.1.0", "20.9.0")
	for _, c := range []struct {
		name, version string
		configured    bool // the registry is, but lacks the package
		locked        bool
		want, err     string
	}{
		{name: "no registry, locked version", want: "official 24.1.0"},
		{name: "no registry, another version", version: "20", want: "official 20.9.0"},
		{name: "the registry lacks it", configured: true, want: "official 24.1.0"},
		{name: "locked", locked: true, err: "the lock has no checksum for " + site.URL},
		{name: "not there either", version: "18", err: "no version that can be had is 18 (test)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.load(t)
			s.Locked = c.locked
			s.Sources.Sites = map[string]string{"node": site.URL}
			s.Sources.NPM = npm.Config{}
			if c.configured {
				s.Sources.NPM = npm.NewConfig(stacktest.NewServer(t).URL)
			}
			res, err := s.Resolve(t.Context(), request(req("node", c.version, "br")))
			if err == nil {
				_, _, err = s.Compose(t.Context(), res)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, run, err := s.Compose(t.Context(), res)
			if err != nil {
				t.Fatal(err)
			}
			list := listing(t, uncompressed(t, run)[1])
			if !slices.Contains(list, "usr/local/bin/node 755 = "+c.want) || slices.ContainsFunc(list, func(s string) bool {
				return strings.Contains(s, "npm")
			}) {
				t.Errorf("the layer holds %q", list)
			}
			if !strings.Contains(strings.Join(res.Notes, " "), "comes from "+site.URL) {
				t.Errorf("notes: %q", res.Notes)
			}
		})
	}
}

func TestLockPinsTheMakersChecksums(t *testing.T) {
	w := newWorld(t)
	site := nodeSite(t, "24.1.0", "22.2.0")
	s, _, err := LoadUnlocked(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.Sources = newStore(t), w.sources()
	s.Sources.Sites = map[string]string{"node": site.URL}
	l, err := Relock(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.Lock, s.Locked, s.Sources.NPM = l, true, npm.Config{}
	res, err := s.Resolve(t.Context(), request(req("node", "", "r")))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Compose(t.Context(), res); err != nil {
		t.Errorf("locked, with the checksum in the lock: %v", err)
	}
}
