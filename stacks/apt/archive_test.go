package apt_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/store"
	"s2i/stacks/apt"
	"s2i/stacks/fetch"
	"s2i/stacks/stacktest"
)

var suites = []apt.Suite{{Name: "trixie", Archive: "debian", Components: []string{"main"}}}

func archive(t *testing.T, m *stacktest.Mirror) *apt.Archive {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &apt.Archive{Fetch: &fetch.Client{Wait: time.Millisecond}, Store: st, Keys: m.Keys,
		Mirrors: func(name string) []apt.Mirror { return []apt.Mirror{{Base: m.URL + "/" + name}} }}
}

func TestOpen(t *testing.T) {
	m := stacktest.NewMirror(t)
	hello := stacktest.Deb{Name: "hello", Version: "1.0", Arch: "amd64", Fields: "Source: greetings (0.9)"}
	m.Publish(t, "debian", "trixie", hello, stacktest.Deb{Name: "foreign", Version: "1", Arch: "arm64"})
	a := archive(t, m)
	snap, err := a.Open(t.Context(), suites, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	p := snap.Index.Lookup("hello")
	if p == nil || p.Version != "1.0" || p.Source != "greetings" || p.SourceVersion != "0.9" || p.Archive != "debian" {
		t.Errorf("found %+v", p)
	}
	if snap.Index.Lookup("foreign") != nil {
		t.Error("found a package of another architecture")
	}
	file, err := a.Get(t.Context(), apt.File{Archive: "debian", Paths: []string{p.Path}, SHA256: p.SHA256, Size: p.Size,
		Title: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, hello.Build(t)) {
		t.Errorf("the file differs from the package: %v", err)
	}
	// Offline, what was read before is there again.
	m.Close()
	a.Offline = true
	if _, err := a.Open(t.Context(), suites, "amd64"); err != nil {
		t.Errorf("offline: %v", err)
	}
	if _, err := a.Open(t.Context(), []apt.Suite{{Name: "other", Archive: "debian"}}, "amd64"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("offline, another suite: got %v, want ErrNotFound", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	inRelease := "/debian/dists/trixie/InRelease"
	for _, c := range []struct {
		name    string
		tamper  func(t *testing.T, m *stacktest.Mirror, a *apt.Archive)
		is      error
		message string
	}{
		{name: "changed text", is: apt.ErrSignature, tamper: func(_ *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			m.Put(inRelease, bytes.Replace(m.Get(inRelease), []byte("Origin: Test"), []byte("Origin: Best"), 1))
		}},
		{name: "no signature", is: apt.ErrSignature, tamper: func(_ *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			m.Put(inRelease, []byte("Origin: Test\nCodename: trixie\n"))
		}},
		{name: "another key", is: apt.ErrSignature, tamper: func(t *testing.T, _ *stacktest.Mirror, a *apt.Archive) {
			a.Keys = stacktest.NewMirror(t).Keys
		}},
		{name: "text before the signed part", message: "has no main/binary-amd64/Packages.xz",
			tamper: func(t *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
				signed := m.Sign(t, "Suite: stable\nCodename: trixie\nDate: Mon, 02 Jan 2006 15:04:05 UTC\n")
				m.Put(inRelease, append([]byte("SHA256:\n 00 1 main/binary-amd64/Packages.xz\n\n"), signed...))
			}},
		{name: "another suite", message: "signed, but for suite forky", tamper: func(t *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			m.Put(inRelease, m.Sign(t, "Suite: testing\nCodename: forky\nDate: Mon, 02 Jan 2006 15:04:05 UTC\n"))
		}},
		{name: "expired", is: apt.ErrExpired, tamper: func(_ *testing.T, _ *stacktest.Mirror, a *apt.Archive) {
			a.Now = func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }
		}},
		{name: "changed list", message: "getting package list of trixie", tamper: func(t *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			tamperList(t, m)
		}},
		{name: "no suite", message: "does not carry trixie", tamper: func(_ *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			m.Delete(inRelease)
		}},
		{name: "always busy", message: "429", tamper: func(_ *testing.T, m *stacktest.Mirror, _ *apt.Archive) {
			m.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := stacktest.NewMirror(t)
			m.Publish(t, "debian", "trixie", stacktest.Deb{Name: "hello", Version: "1.0"})
			a := archive(t, m)
			c.tamper(t, m, a)
			_, err := a.Open(t.Context(), suites, "amd64")
			if err == nil || c.is != nil && !errors.Is(err, c.is) || c.message != "" && !strings.Contains(err.Error(), c.message) {
				t.Errorf("got error %v, want %v %q", err, c.is, c.message)
			}
		})
	}
}

// tamperList changes the package list under every name that it has.
func tamperList(t *testing.T, m *stacktest.Mirror) {
	t.Helper()
	name := "/debian/dists/trixie/main/binary-amd64/"
	sum := stacktest.Sum(m.Get(name + "Packages.xz"))
	bad := bytes.Clone(m.Get(name + "Packages.xz"))
	bad[len(bad)/2] ^= 1
	m.Put(name+"Packages.xz", bad)
	m.Put(name+"by-hash/SHA256/"+sum, bad)
}

func TestGet(t *testing.T) {
	m := stacktest.NewMirror(t)
	second := stacktest.NewServer(t)
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	f := apt.File{Archive: "debian", Paths: []string{"pool/x.deb"}, SHA256: stacktest.Sum(body), Size: int64(len(body)), Title: "x"}
	twoMirrors := func(t *testing.T) *apt.Archive {
		a := archive(t, m)
		a.Mirrors = func(string) []apt.Mirror { return []apt.Mirror{{Base: m.URL + "/debian"}, {Base: second.URL}} }
		return a
	}
	t.Run("gone everywhere", func(t *testing.T) {
		_, err := twoMirrors(t).Get(t.Context(), f)
		var gone *apt.GoneError
		if !errors.As(err, &gone) {
			t.Errorf("got %v, want a GoneError", err)
		}
	})
	t.Run("gone, and the last resort cannot be reached", func(t *testing.T) {
		a := archive(t, m)
		a.Mirrors = func(string) []apt.Mirror {
			return []apt.Mirror{{Base: m.URL + "/debian"}, {Base: "http://127.0.0.1:1", Last: true}}
		}
		_, err := a.Get(t.Context(), f)
		var gone *apt.GoneError
		if !errors.As(err, &gone) {
			t.Errorf("got %v, want a GoneError", err)
		}
	})
	t.Run("a mirror that cannot be reached does not make it gone", func(t *testing.T) {
		a := archive(t, m)
		a.Mirrors = func(string) []apt.Mirror {
			return []apt.Mirror{{Base: m.URL + "/debian"}, {Base: "http://127.0.0.1:1"}}
		}
		_, err := a.Get(t.Context(), f)
		var gone *apt.GoneError
		if err == nil || errors.As(err, &gone) {
			t.Errorf("got %v, want an error that is no GoneError", err)
		}
	})
	t.Run("second mirror", func(t *testing.T) {
		second.Put("/pool/x.deb", body)
		if _, err := twoMirrors(t).Get(t.Context(), f); err != nil {
			t.Error(err)
		}
	})
	t.Run("tampered", func(t *testing.T) {
		bad := bytes.Clone(body)
		bad[5000] ^= 1
		second.Put("/pool/x.deb", bad)
		if _, err := twoMirrors(t).Get(t.Context(), f); err == nil {
			t.Error("a changed file was accepted")
		}
	})
	t.Run("too long", func(t *testing.T) {
		second.Put("/pool/x.deb", append(bytes.Clone(body), 'x'))
		if _, err := twoMirrors(t).Get(t.Context(), f); err == nil || !strings.Contains(err.Error(), "more than the file has") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRealKeys(t *testing.T) {
	keys, err := apt.Keys()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.PrimaryKey.KeyIdString())
	}
	if len(ids) < 6 {
		t.Errorf("the embedded keys are %v", ids)
	}
}

func TestSystemSources(t *testing.T) {
	fsys := fstest.MapFS{
		"sources.list": {Data: []byte("# deb http://no.example.com/debian trixie main\n" +
			"deb [arch=amd64 signed-by=/k.gpg] http://a.example.com/debian/ bookworm main contrib # x\n" +
			"deb-src http://src.example.com/debian bookworm main\n" +
			"deb http://a.example.com/debian-security bookworm-security main\n" +
			"deb https://vendor.example.com/repo stable main\ndeb cdrom:[x]/ bookworm main\n")},
		"sources.list.d/x.sources": {Data: []byte("Types: deb deb-src\nURIs: https://b.example.com/debian https://c.example.com/mirror\n" +
			"# comment\nSuites: trixie trixie-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: https://off.example.com/debian\n" +
			"Suites: trixie\nComponents: main\n")},
		"sources.list.d/other.list": {Data: []byte("deb https://other.example.com/linux/debian cloud-bookworm main\n")},
		"sources.list.d/x.save":     {Data: []byte("deb http://saved.example.com/debian trixie main\n")},
	}
	sources := apt.SystemSources(fsys)
	want := []string{"http://a.example.com/debian", "https://other.example.com/linux/debian", "https://b.example.com/debian",
		"https://vendor.example.com/repo", "https://c.example.com/mirror"}
	if diff := cmp.Diff(want, apt.DebianBases(sources, "debian")); diff != "" {
		t.Errorf("debian (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"http://a.example.com/debian-security"}, apt.DebianBases(sources, "debian-security")); diff != "" {
		t.Errorf("debian-security (-want +got):\n%s", diff)
	}
}

func FuzzVerifyRelease(f *testing.F) {
	m := stacktest.NewMirror(f)
	m.Publish(f, "debian", "trixie", stacktest.Deb{Name: "hello", Version: "1.0"})
	good := m.Get("/debian/dists/trixie/InRelease")
	text := bytes.Clone(good)
	f.Add(good)
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\n=x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := apt.VerifyRelease(b, m.Keys)
		if err == nil && r.Codename != "trixie" {
			t.Errorf("a forged index was accepted: %q (original %q)", b, text)
		}
	})
}

func FuzzAdd(f *testing.F) {
	f.Add("Package: ab\nVersion: 1\nArchitecture: all\nSize: 1\nFilename: p\nProvides: x (= 2), y\nDepends: b | c:any (>> 1)\nSHA256: " +
		strings.Repeat("0", 64) + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		ix := apt.NewIndex("amd64")
		if err := ix.Add(s, "debian"); err == nil && ix.Lookup("ab") != nil {
			_, err = ix.Closure([]string{"ab"}, apt.ClosureOptions{})
			_ = err // only that it ends
		}
	})
}
