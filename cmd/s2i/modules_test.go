package main

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/image"
	"s2i/lifecycle/store"
)

// TestModules opens buildpacks and extensions from each of the places that can be named.
func TestModules(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	const one = "api = \"0.10\"\n[buildpack]\nid = \"test/one\"\nversion = \"1.0.0\"\n"
	put("one/buildpack.toml", one)
	put("one/bin/detect", "#!/bin/sh\n")
	put("ext/extension.toml", "api = \"0.10\"\n[extension]\nid = \"test/ext\"\nversion = \"1.0.0\"\n")
	put("many/cnb/buildpacks/test_one/1.0.0/buildpack.toml", one)
	put("many/cnb/buildpacks/test_one/1.0.0/bin/build", "#!/bin/sh\n")
	put("many/cnb/buildpacks/test_all/2.0.0/buildpack.toml", "api = \"0.10\"\n[buildpack]\nid = \"test/all\"\nversion = \"2.0.0\"\n"+
		"[[order]]\n[[order.group]]\nid = \"test/one\"\nversion = \"1.0.0\"\n")
	put("many/etc/passwd", "root\n")
	put("none/a", "")
	for _, args := range [][]string{
		{"-czf", "one.tgz", "-C", "one", "."}, {"-cf", "inside.tar", "one"}, {"-cf", "many.tar", "-C", "many", "."}, {"-cf", "none.tar", "-C", "none", "."},
	} {
		tar := exec.Command("tar", args...) //nolint:gosec // of this test
		tar.Dir = dir
		if out, err := tar.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	pack(t, dir, "many", `{"id":"test/all","version":"2.0.0"}`)
	pack(t, dir, "none", "")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	tool := &tools{store: st, images: &image.Client{Store: st}}
	c := cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil)
	for name, want := range map[string][]string{
		dir + "/one": {"test/one@1.0.0"}, dir + "/ext": {"test/ext@1.0.0"}, dir + "/one.tgz": {"test/one@1.0.0"},
		dir + "/inside.tar": {"test/one@1.0.0"}, server.URL + "/one.tgz": {"test/one@1.0.0"},
		"oci:" + dir + "/many.oci": {"test/all@2.0.0", "test/one@1.0.0"},
		dir + "/none":              nil, "oci:" + dir + "/none.oci": nil, "urn:cnb:registry:a/b": nil, "no such thing": nil,
		dir + "/many/cnb/buildpacks/test_all/2.0.0": nil,
	} {
		found, err := modules(t.Context(), c, tool, name)
		var got []string
		for _, d := range found {
			got = append(got, d.Element().String())
		}
		if (err == nil) != (want != nil) || !cmp.Equal(want, got) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
		for _, d := range found {
			if _, err := os.Stat(filepath.Join(d.Dir, "..", "..", "..", "..", "etc", "passwd")); len(found) > 1 && err == nil {
				t.Error("more than the modules was unpacked")
			}
		}
	}
	for _, f := range tool.closers {
		f()
	}
}

// pack makes an image of DIR/NAME.tar in the layout DIR/NAME.oci.
func pack(t *testing.T, dir, name, about string) {
	t.Helper()
	layer, err := tarball.LayerFromFile(filepath.Join(dir, name+".tar"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Labels: map[string]string{labelPackage: about}})
	}
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(filepath.Join(dir, name+".oci"), empty.Index)
	if err == nil {
		err = path.AppendImage(img)
	}
	if err != nil {
		t.Fatal(err)
	}
}
