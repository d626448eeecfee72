package stacks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/stacks/fetch"
	"s2i/stacks/stacktest"
	"s2i/stacks/version"
)

// languageConfig is what languages add to the small stack.
const languageConfig = `
[packages.python]
build = ["python3.13"]
run = ["python3.13"]
version-of = "python3.13"
grammar = "pep440"
pins = "line"
drop = ["usr/lib/python3.13/pydoc_data/**"]
compatibility = "python"
compatibility-parts = 2

[packages.python-dev]
on = "python"
build = ["python3.13-dev"]
version-of = "python3.13-dev"
grammar = "pep440"
tool = "python"

[packages.jre]
default = "25"
grammar = "java"
pins = "line"
nearest = true
tool = "java"
exclude = ["libcups2"]
build-env = { JAVA_HOME = "/usr/lib/jvm/default" }
run-env = { JAVA_HOME = "/usr/lib/jvm/default" }
[packages.jre.debs.21]
run = ["openjdk-21-jre-headless"]
version-of = "openjdk-21-jre-headless"
[packages.jre.debs.25]
run = ["openjdk-25-jre-headless"]
version-of = "openjdk-25-jre-headless"

[packages.php]
run = ["php8.4-cli"]
build = ["php8.4-cli"]
version-of = "php8.4-cli"
grammar = "composer"

[[families]]
name = "php-*"
deb = "php8.4-*"
on = "php"
members = ["mbstring"]

[packages.uv]
provider = "pypi"
pypi = "uv"
lines = ["0"]
default = "0"
dest = "/usr/local"
targets = ["build"]

[packages.maven]
provider = "maven"
maven = "org.example:maven:bin@tar.gz"
program = "bin/mvn"
lines = ["3.9"]
default = "3.9"
dest = "/usr/local/maven"
targets = ["build"]

[packages.bun]
provider = "npm"
npm = { amd64 = "@bun/x64", arm64 = "@bun/arm64" }
program = "bin/bun"
lines = ["1"]
default = "1"
dest = "/usr/local"
targets = ["build", "run"]
`

type languages struct {
	*world
	pypi  *stacktest.PyPI
	maven *stacktest.Maven
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func languageDebs(t *testing.T) []stacktest.Deb {
	f := func(name, body string) stacktest.File { return stacktest.File{Name: name, Body: body} }
	java := func(line, ver string) stacktest.Deb {
		home := "./usr/lib/jvm/java-" + line + "-openjdk-amd64/"
		return stacktest.Deb{Name: "openjdk-" + line + "-jre-headless", Version: ver, Arch: "amd64", Fields: "Depends: libcups2",
			Files: []stacktest.File{{Name: home}, f(home+"bin/java", "elf"), f(home+"bin/keytool", "elf"),
				{Name: "./usr/lib/jvm/java-1." + line + ".0-openjdk-amd64", Link: "java-" + line + "-openjdk-amd64"}}}
	}
	debs := testDebs()
	for i := range debs {
		if debs[i].Name == "ca-certificates" {
			debs[i].Files = []stacktest.File{f("./usr/share/ca-certificates/mozilla/a.crt", certificate(t)),
				f("./usr/share/doc/ca-certificates/examples/local.crt", "no certificate")}
		}
	}
	return append(debs,
		stacktest.Deb{Name: "libcups2", Version: "2", Arch: "amd64", Files: []stacktest.File{f("./usr/lib/libcups.so", "x")}},
		java("21", "21.0.13+9-1"), java("25", "25.0.5+8-1~deb13u1"),
		stacktest.Deb{Name: "python3.13", Version: "3.13.5-2+deb13u1", Arch: "amd64", Fields: "Depends: libexpat1",
			Files: []stacktest.File{f("./usr/bin/python3.13", "elf"), {Name: "./usr/lib/python3.13/pydoc_data/"},
				f("./usr/lib/python3.13/pydoc_data/topics.py", "drop me"), {Name: "./bin/"}}},
		stacktest.Deb{Name: "python3.13-dev", Version: "3.13.5-2+deb13u1", Arch: "amd64", Fields: "Depends: python3.13, libexpat1",
			Files: []stacktest.File{f("./usr/include/Python.h", "h")}},
		stacktest.Deb{Name: "php8.4-cli", Version: "8.4.27-1~deb13u1", Arch: "amd64",
			Files: []stacktest.File{f("./usr/bin/php8.4", "elf"), f("./usr/lib/php/8.4/php.ini-production.cli", "cli"),
				f("./usr/lib/php/8.4/php.ini-production", "fpm"), f("./usr/lib/php/8.4/php.ini-development", "dev")}},
		stacktest.Deb{Name: "php8.4-mbstring", Version: "8.4.27-1~deb13u1", Arch: "amd64", Fields: "Depends: php8.4-cli",
			Files: []stacktest.File{f("./usr/share/php8.4-mbstring/mbstring/mbstring.ini", "; priority=15\nextension=mbstring\n")}})
}

func newLanguages(t *testing.T) *languages {
	t.Helper()
	w := &languages{world: &world{mirror: stacktest.NewMirror(t), npm: stacktest.NewNPM(t), goes: stacktest.NewGoProxy(t), dir: t.TempDir()},
		pypi: stacktest.NewPyPI(t), maven: stacktest.NewMaven(t)}
	w.debs = languageDebs(t)
	w.publish(t)
	for _, v := range []string{"0.9.1", "0.9.2"} {
		for _, machine := range []string{"x86_64", "aarch64"} {
			w.pypi.Publish(t, "uv", "uv-"+v+"-py3-none-manylinux_2_17_"+machine+".whl",
				stacktest.File{Name: "uv-" + v + ".data/scripts/uv", Body: "elf " + v}, stacktest.File{Name: "uv/__init__.py", Body: "x"},
				stacktest.File{Name: "uv-" + v + ".dist-info/licenses/LICENSE-MIT", Body: "MIT"})
		}
	}
	for _, v := range []string{"3.6.3", "3.9.8", "3.9.9", "4.0.0-rc-1"} {
		w.maven.Publish(t, "org.example", "maven", v, v == "3.6.3", stacktest.File{Name: "maven-" + v + "/bin/mvn", Body: "#!/bin/sh", Mode: 0o755},
			stacktest.File{Name: "maven-" + v + "/lib/x.jar", Body: "jar " + v})
	}
	for _, name := range []string{"@bun/x64", "@bun/arm64"} {
		w.npm.Publish(t, name, "1.2.3", stacktest.File{Name: "package/package.json", Body: "{}"},
			stacktest.File{Name: "package/bin/bun", Body: "elf", Mode: 0o755}, stacktest.File{Name: "package/README.md", Body: "x"})
	}
	base, _, _ := strings.Cut(testConfig, "[packages.go]")
	if err := os.WriteFile(filepath.Join(w.dir, ConfigFile), []byte(base+languageConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	lock, err := Relock(t.Context(), w.unlocked(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := lock.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, LockFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *languages) sources() *Sources {
	s := w.world.sources()
	s.PyPI, s.Maven = fetch.NewSite(w.pypi.URL+"/simple", fetch.Netrc{}), fetch.NewSite(w.maven.URL, fetch.Netrc{})
	return s
}

func (w *languages) unlocked(t *testing.T) *Stack {
	t.Helper()
	s, _, err := LoadUnlocked(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.Sources = newStore(t), w.sources()
	return s
}

func (w *languages) load(t *testing.T) *Stack {
	t.Helper()
	s := w.world.load(t)
	s.Sources = w.sources()
	return s
}

// kind is req with a kind of constraint.
func kind(name, value string, k version.Kind) lifecycle.Require {
	r := req(name, value, "r")
	r.Metadata["version-kind"] = string(k)
	return r
}

func TestLanguages(t *testing.T) {
	w := newLanguages(t)
	s := w.load(t)
	res, err := s.Resolve(t.Context(), request(req("python", ">=3.11", "br"), req("python-dev", "", "b"), req("jre", "", "r"),
		req("php-mbstring", "", "r"), req("uv", "", "b"), req("maven", "", "b"), req("bun", "", "r")))
	if err != nil {
		t.Fatal(err)
	}
	want := "base maven=3.9.9 python=3.13.5 uv=0.9.2 python-dev=3.13.5 | base bun=1.2.3 jre=25.0.5 php=8.4.27 python=3.13.5 php-mbstring=8.4.27"
	if got := parts(res.Build) + " | " + parts(res.Run); got != want {
		t.Fatalf("got %q\nwant %q", got, want)
	}
	build, run, err := s.Compose(t.Context(), res)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, tar := range slices.Concat(uncompressed(t, build)[1:], uncompressed(t, run)[1:]) {
		for _, line := range listing(t, tar) {
			if line == "bin/" {
				t.Error("a layer has a directory in place of the link /bin")
			}
			if !strings.HasSuffix(line, "/") && !strings.HasPrefix(line, "var/lib/dpkg") {
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	if diff := cmp.Diff([]string{
		"etc/php/8.4/cli/conf.d/15-mbstring.ini -> /etc/php/8.4/mods-available/mbstring.ini",
		"etc/php/8.4/cli/php.ini = cli",
		"etc/php/8.4/fpm/conf.d/15-mbstring.ini -> /etc/php/8.4/mods-available/mbstring.ini",
		"etc/php/8.4/fpm/php.ini = fpm",
		"etc/php/8.4/mods-available/mbstring.ini = ; priority=15\nextension=mbstring\n",
		"etc/ssl/certs/java/cacerts",
		"usr/bin/java -> ../lib/jvm/default/bin/java",
		"usr/bin/keytool -> ../lib/jvm/default/bin/keytool",
		"usr/bin/php -> php8.4",
		"usr/bin/php8.4 = elf",
		"usr/bin/python3.13 = elf",
		"usr/bin/python3.13 = elf",
		"usr/include/Python.h = h",
		"usr/lib/jvm/default -> java-25-openjdk-amd64",
		"usr/lib/jvm/java-1.25.0-openjdk-amd64 -> java-25-openjdk-amd64",
		"usr/lib/jvm/java-25-openjdk-amd64/bin/java = elf",
		"usr/lib/jvm/java-25-openjdk-amd64/bin/keytool = elf",
		"usr/lib/libexpat.so = expat 2.7-1",
		"usr/lib/libexpat.so = expat 2.7-1",
		"usr/lib/php/8.4/php.ini-development = dev",
		"usr/local/bin/bun 755 = elf",
		"usr/local/bin/mvn -> ../maven/bin/mvn",
		"usr/local/bin/uv 755 = elf 0.9.2",
		"usr/local/maven/bin/mvn 755 = #!/bin/sh",
		"usr/local/maven/lib/x.jar = jar 3.9.9",
		"usr/share/doc/uv/LICENSE-MIT = MIT",
	}, all); diff != "" {
		t.Error(diff)
	}
	if keys := s.compatibility(res.Run); keys["python"] != "3.13" {
		t.Errorf("compatibility keys %v", keys)
	}
	config, err := run.ConfigFile()
	if err != nil || !slices.Contains(config.Config.Env, "JAVA_HOME=/usr/lib/jvm/default") {
		t.Errorf("environment %q, %v", config.Config.Env, err)
	}
}

func TestDecisions(t *testing.T) {
	w := newLanguages(t)
	s := w.load(t)
	for _, c := range []struct {
		name   string
		reqs   []lifecycle.Require
		policy version.Policy
		locked bool
		want   string // run parts, or error
		level  version.Level
	}{
		{name: "a minimum takes the nearest line", reqs: []lifecycle.Require{kind("jre", "17", version.Minimum)}, want: "base jre=21.0.13"},
		{name: "unless strict", reqs: []lifecycle.Require{kind("jre", "17", version.Minimum)}, policy: version.Strict,
			want: "no version that can be had is at least 17 (test); stack tiny has 25.0.5, 21.0.13; the nearest is"},
		{name: "a patch gives way to its line", reqs: []lifecycle.Require{req("python", "3.13.1", "r")}, want: "base python=3.13.5", level: version.Relaxed},
		{name: "unless strict", reqs: []lifecycle.Require{req("python", "3.13.1", "r")}, policy: version.Strict, want: "or without --versions strict"},
		{name: "a hint gives way", reqs: []lifecycle.Require{req("python", ">=3.10", "r"), kind("python", "3.12", version.Hint)}, want: "base python=3.13.5", level: version.NoHints},
		{name: "a range does not", reqs: []lifecycle.Require{req("python", "~=3.12.0", "r")},
			want: "the nearest is 3.13.5: allow it in test, or build with S2I_PYTHON_VERSION=3.13.5"},
		{name: "the override counts alone", reqs: []lifecycle.Require{req("jre", "[25,)", "r"), kind("jre", "21", version.Override)}, want: "base jre=21.0.13"},
		{name: "nonsense names its source", reqs: []lifecycle.Require{req("python", "three", "r")}, want: `choosing a version of python: test: reading the version "three"`},
		{name: "no such Debian package", reqs: []lifecycle.Require{req("nothing", "", "r")}, want: "stack tiny has no Debian package nothing"},
		{name: "another version of one", reqs: []lifecycle.Require{req("libpq5", "16", "r")}, want: "no version that can be had is 16 (test); stack tiny has 17-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.Locked = c.locked
			r := request(c.reqs...)
			r.Policy = c.policy
			res, err := s.Resolve(t.Context(), r)
			if err != nil {
				var unobtainable *UnobtainableError
				if !strings.Contains(err.Error(), c.want) || !errors.As(err, &unobtainable) && !strings.Contains(c.want, "three") {
					t.Errorf("got error %v, want %q", err, c.want)
				}
				return
			}
			if got := parts(res.Run); got != c.want || res.Choices[0].Level != c.level {
				t.Errorf("got %q at level %d, want %q at level %d", got, res.Choices[0].Level, c.want, c.level)
			}
		})
	}
}

// TestChoice: what is said about a decision.
func TestChoice(t *testing.T) {
	w := newLanguages(t)
	s := w.load(t)
	res, err := s.Resolve(t.Context(), request(req("maven", "3.6.3", "b"), kind("jre", "11", version.Minimum), kind("jre", "8", version.Hint)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Choice{
		{Package: "jre", Version: "21.0.13", Provider: "deb", Level: version.NoHints,
			Constraints: []version.Constraint{{Value: "11", Source: "test", Kind: version.Minimum},
				{Value: "8", Source: "test", Kind: version.Hint, Dropped: "a hint that nothing meets that can be had"}},
			Candidates: []version.Judged{{Version: "25.0.5", Rejected: "further from what is asked for"}, {Version: "21.0.13"}},
			Why:        "the nearest supported line that meets everything; without the hints that nothing meets; pinned by the stack's lock"},
		{Package: "maven", Version: "3.6.3", Provider: "maven", From: "maven org.example:maven:bin@tar.gz@3.6.3", Live: true,
			Constraints: []version.Constraint{{Value: "3.6.3", Source: "test"}},
			Candidates: []version.Judged{{Version: "4.0.0-rc-1", Rejected: "excluded by 3.6.3 (test)"}, {Version: "3.9.9", Rejected: "excluded by 3.6.3 (test)"},
				{Version: "3.9.8", Rejected: "excluded by 3.6.3 (test)"}, {Version: "3.6.3"}},
			Integrity: res.Choices[1].Integrity,
			Why:       "the newest supported one that meets everything; from the registry as it is now"},
	}
	if diff := cmp.Diff(want, res.Choices); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(res.Choices[1].Integrity, "sha512-") {
		t.Errorf("integrity %q", res.Choices[1].Integrity)
	}
	if _, _, err := s.Compose(t.Context(), res); err != nil {
		t.Error(err)
	}
}

func TestLanguagesOffline(t *testing.T) {
	w := newLanguages(t)
	dir := t.TempDir()
	if err := w.load(t).Vendor(t.Context(), dir, "amd64"); err != nil {
		t.Fatal(err)
	}
	live := w.load(t)
	old := request(req("maven", "3.6.3", "b"), req("uv", "0.9.1", "b"))
	res, err := live.Resolve(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := live.Compose(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	for _, srv := range []*stacktest.Server{w.mirror.Server, w.npm.Server, w.goes.Server, w.pypi.Server, w.maven.Server} {
		srv.Close()
	}
	env := map[string]string{"S2I_MIRRORS": "file://" + dir}
	vendored := w.load(t)
	if vendored.Sources, err = LoadSources(t.Context(), vendored.Lock, func(k string) string { return env[k] }); err != nil {
		t.Fatal(err)
	}
	kept := w.load(t)
	kept.Store, kept.Offline = live.Store, true
	locked := w.load(t)
	locked.Locked = true
	for _, c := range []struct {
		name string
		s    *Stack
		r    Request
		err  string
	}{
		{"from a vendored tree", vendored, request(req("python", "", "b"), req("uv", "", "b"), req("maven", "", "b"), req("bun", "", "b"), req("jre", "", "r")), ""},
		{"offline, what was chosen before", kept, old, ""},
		{"offline, something else", kept, request(req("uv", "0.1.0", "b")), "--offline forbids to ask the registry"},
		{"locked", locked, old, "build without --locked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := c.s.Resolve(t.Context(), c.r)
			if err == nil {
				_, _, err = c.s.Compose(t.Context(), res)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got error %v, want %q", err, c.err)
			}
		})
	}
}

func TestAppLock(t *testing.T) {
	w := newLanguages(t)
	s := w.load(t)
	r := request(req("uv", "0.9.1", "b"), req("python", "", "r"))
	res, err := s.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.AppLock(res).Encode()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := ParseAppLock(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.AppLock(res), lock); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		name, uv, want string
		notes          int
	}{
		{"it wins", "", "base uv=0.9.1", 1},
		{"it wins within the bounds", ">=0.9.1", "base uv=0.9.1", 1},
		{"not outside of them", ">=0.9.2", "base uv=0.9.2", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(req("uv", c.uv, "b"), req("python", "", "r"))
			r.App = lock
			res, err := w.load(t).Resolve(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := parts(res.Build); got != c.want || len(res.Notes) != c.notes {
				t.Errorf("got %q with notes %q, want %q", got, res.Notes, c.want)
			}
		})
	}
}

func TestAppLockOfAnother(t *testing.T) {
	w := newLanguages(t)
	s := w.load(t)
	r := request(req("uv", ">=0.9.2", "b"))
	r.App = &AppLock{Version: 1, Stack: "other", Packages: []AppLocked{{Name: "uv", Version: "0.9.1", Provider: "pypi"}}}
	res, err := s.Resolve(t.Context(), r)
	if err != nil || len(res.Notes) != 2 || !strings.Contains(res.Notes[0], "made with stack other") {
		t.Errorf("notes %q, %v", res.Notes, err)
	}
	s.Locked = true
	if _, err := s.Resolve(t.Context(), r); err == nil || !strings.Contains(err.Error(), "s2i.lock has 0.9.1") {
		t.Errorf("locked: %v", err)
	}
}

func FuzzParseAppLock(f *testing.F) {
	f.Add("version = 1\nstack = \"x\"\nlock = \"y\"\n[[package]]\nname = \"uv\"\nversion = \"0.9.1\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := ParseAppLock([]byte(text))
		if err != nil {
			return
		}
		lock.addTo(nil, "uv", "amd64")
		if _, err := lock.Encode(); err != nil {
			t.Errorf("a lock that was read cannot be written: %v", err)
		}
	})
}
