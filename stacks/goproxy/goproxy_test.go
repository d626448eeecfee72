package goproxy_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"s2i/lifecycle/store"
	"s2i/stacks/fetch"
	"s2i/stacks/goproxy"
	"s2i/stacks/stacktest"
)

const mod = "example.com/toolchain"

var m = module.Version{Path: mod, Version: "v0.0.1"}

func client(list string) *goproxy.Client {
	return &goproxy.Client{List: list, Fetch: &fetch.Client{Wait: time.Millisecond, Tries: 1}, Origin: "http://127.0.0.1:1"}
}

func TestList(t *testing.T) {
	has, lacks, broken := stacktest.NewGoProxy(t), stacktest.NewServer(t), stacktest.NewServer(t)
	has.Publish(t, mod, m.Version, map[string]string{"x": "y"})
	broken.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	for _, c := range []struct {
		name, list string
		ok         bool
		is         error
	}{
		{name: "one", list: has.URL, ok: true},
		{name: "comma goes on when it is not there", list: lacks.URL + "," + has.URL, ok: true},
		{name: "comma stops at an error", list: broken.URL + "," + has.URL},
		{name: "bar goes on after an error", list: broken.URL + "|" + has.URL, ok: true},
		{name: "off ends the list", list: lacks.URL + ",off," + has.URL, is: goproxy.ErrOff},
		{name: "off", list: "off", is: goproxy.ErrOff},
		{name: "direct is the origin", list: lacks.URL + ",direct"},
		{name: "slashes and blanks", list: " " + has.URL + "/ ,direct", ok: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := client(c.list).Zip(t.Context(), m, &out, 0, nil)
			if (err == nil) != c.ok || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got error %v", err)
			}
		})
	}
	if ok, err := client(has.URL).Has(t.Context(), m); !ok || err != nil {
		t.Errorf("Has: %t, %v", ok, err)
	}
	if ok, err := client(lacks.URL).Has(t.Context(), m); ok || err != nil {
		t.Errorf("Has of what is not there: %t, %v", ok, err)
	}
	c := client("")
	c.Origin = has.URL
	if list, err := c.Versions(t.Context(), mod); err != nil || len(list) != 1 {
		t.Errorf("Versions without a proxy: %v, %v", list, err)
	}
}

func TestSum(t *testing.T) {
	p := stacktest.NewGoProxy(t)
	p.Publish(t, mod, m.Version, map[string]string{"x": "y"})
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h1, err := client(p.URL).Sum(t.Context(), st, p.Key, m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "zip")
	if err := os.WriteFile(file, p.Get("/"+mod+"/@v/v0.0.1.zip"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := goproxy.VerifyZip(file, h1); err != nil {
		t.Error(err)
	}
	if err := goproxy.VerifyZip(file, "h1:AAAA"); !errors.Is(err, goproxy.ErrChecksum) {
		t.Errorf("a wrong digest: %v", err)
	}
	other := stacktest.NewGoProxy(t) // another database with the same name, under another key
	if _, err := client(p.URL).Sum(t.Context(), st, other.Key, m); err == nil {
		t.Error("a database that signs with another key was believed")
	}
	if _, err := client(p.URL).Sum(t.Context(), st, p.Key, module.Version{Path: mod, Version: "v9.0.0"}); err == nil {
		t.Error("a version that the database does not have was found")
	}
	if _, err := client("off").Sum(t.Context(), st, p.Key, m); !errors.Is(err, goproxy.ErrOff) {
		t.Errorf("off: %v", err)
	}
	// The store has seen the first database's tree; one with the same key and another history is a fraud, but a tree
	// that merely grew is not.
	p.Publish(t, mod, "v0.0.2", map[string]string{"x": "z"})
	if _, err := client(p.URL).Sum(t.Context(), st, p.Key, module.Version{Path: mod, Version: "v0.0.2"}); err != nil {
		t.Error(err)
	}
}

func TestVerifyZipRefusesDoubles(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 2 {
		if _, err := z.Create("x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "zip")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := goproxy.VerifyZip(file, "h1:x"); !errors.Is(err, goproxy.ErrChecksum) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func TestLoadList(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "go"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go", "env"), []byte("GOFLAGS=-x\nGOPROXY=http://file.example.com\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	get := func(k string) string { return env[k] }
	if got := goproxy.LoadList(t.Context(), get); got != "http://file.example.com" {
		t.Errorf("from the file: %q", got)
	}
	env["GOPROXY"] = "http://env.example.com,direct"
	if got := goproxy.LoadList(t.Context(), get); got != env["GOPROXY"] {
		t.Errorf("from the environment: %q", got)
	}
}
