package main

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// TestImagePairPlatforms takes the bases of every platform from one name.
func TestImagePairPlatforms(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(10, 1)
		if err == nil {
			img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch})
		}
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := newImagePair(t.Context(), &tools{images: &image.Client{}}, &composed{identity: "lock"}, [2]string{ref.String(), ref.String()})
	if err != nil {
		t.Fatal(err)
	}
	if want := "lock " + digest.String() + " " + digest.String(); pair.Identity() != want {
		t.Errorf("the identity is %s, want %s", pair.Identity(), want)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		images, err := pair.open(t.Context(), lifecycle.Target{OS: "linux", Arch: arch})
		if err != nil {
			t.Fatal(err)
		}
		for _, img := range images {
			if config, err := img.ConfigFile(); err != nil || config.Architecture != arch {
				t.Errorf("for %s: %v, %v", arch, config, err)
			}
		}
	}
	if _, err := pair.open(t.Context(), lifecycle.Target{OS: "linux", Arch: "riscv64"}); err == nil {
		t.Error("a platform that the index lacks is no error")
	}
}
