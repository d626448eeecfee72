package analyze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// An image.Client can be used as it is.
var _ Access = (*image.Client)(nil)

// labelled is an image with a configuration.
func labelled(t *testing.T, labels map[string]string) v1.Image {
	t.Helper()
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Labels = "linux", "amd64", labels
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func ref(t *testing.T, s string) image.Ref {
	t.Helper()
	r, err := image.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestImages asks a registry.
func TestImages(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	client := &image.Client{}
	app := labelled(t, map[string]string{
		lifecycle.LabelLayersMetadata: `{"app":[{"sha":"sha256:a"}],"buildpacks":[{"key":"acme/bp","version":"1","layers":{}}]}`,
	})
	run := labelled(t, map[string]string{lifecycle.LabelDistroName: "debian", lifecycle.LabelDistroVersion: "13"})
	for name, img := range map[string]v1.Image{"apps/app:1": app, "base/run:2": run} {
		if _, err := client.Publish(t.Context(), img, []image.Ref{ref(t, host+"/"+name)}); err != nil {
			t.Fatal(err)
		}
	}
	result, err := Images(t.Context(), Options{
		Images: client, Target: lifecycle.Target{OS: "linux", Arch: "amd64"},
		Destinations: []image.Ref{ref(t, host+"/apps/app:2"), ref(t, host+"/apps/app:2")},
		Previous:     ref(t, host+"/apps/app:1"),
		Run:          []image.Ref{ref(t, "127.0.0.1:1/base/run:2"), ref(t, host+"/base/run:2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := lifecycle.Analyzed{
		Previous: &lifecycle.AnalyzedImage{Reference: host + "/apps/app@" + digest(t, app)},
		RunImage: &lifecycle.AnalyzedRunImage{
			Reference: host + "/base/run@" + digest(t, run), Image: host + "/base/run:2",
			Target: &lifecycle.Target{
				OS: "linux", Arch: "amd64", Distros: []lifecycle.Distro{{Name: "debian", Version: "13"}},
			},
		},
		Metadata: lifecycle.LayersMetadata{
			App: []lifecycle.LayerSHA{{SHA: "sha256:a"}},
			Buildpacks: []lifecycle.BuildpackLayers{
				{ID: "acme/bp", Version: "1", Layers: map[string]lifecycle.LayerMetadata{}},
			},
		},
	}
	if diff := cmp.Diff(want, result.Analyzed); diff != "" {
		t.Errorf("analyzed (-want +got):\n%s", diff)
	}
}

// fake answers with an image or an error by name.
type fake map[string]any

func (f fake) Image(_ context.Context, ref image.Ref, _ lifecycle.Target) (v1.Image, error) {
	switch answer := f[ref.Name].(type) {
	case v1.Image:
		return answer, nil
	case error:
		return nil, answer
	}
	return nil, fmt.Errorf("%s: %w", ref, image.ErrNotFound)
}

func (f fake) CheckWrite(_ context.Context, ref image.Ref) error {
	err, _ := f["write "+ref.Name].(error)
	return err
}

func TestAnswers(t *testing.T) {
	broken := errors.New("broken")
	odd := labelled(t, map[string]string{lifecycle.LabelLayersMetadata: "{"})
	plain := labelled(t, nil)
	const app, run, mirror = "example.com/app:1", "other.example.com/run:1", "example.com/run:1"
	tests := map[string]struct {
		images       fake
		runImage     v1.Image
		wantErr      error
		wantPrevious bool
		wantRun      string
	}{
		"nothing there yet":        {images: fake{run: plain}, wantRun: run},
		"previous denied":          {images: fake{app: image.ErrDenied, run: plain}, wantRun: run},
		"previous broken":          {images: fake{app: broken, run: plain}, wantErr: broken},
		"previous by somebody":     {images: fake{app: odd, run: plain}, wantPrevious: true, wantRun: run},
		"not writable":             {images: fake{"write " + app: broken, run: plain}, wantErr: broken},
		"cache not writable":       {images: fake{"write example.com/cache:1": broken, run: plain}, wantErr: broken},
		"mirror in same registry":  {images: fake{run: plain, mirror: plain}, wantRun: mirror},
		"mirror cannot be read":    {images: fake{run: plain, mirror: broken}, wantRun: run},
		"no run image":             {images: fake{}, wantErr: image.ErrNotFound},
		"run image given directly": {images: fake{}, runImage: plain, wantRun: run},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			result, err := Images(t.Context(), Options{
				Images: test.images, Destinations: []image.Ref{ref(t, app)}, Cache: ref(t, "example.com/cache:1"),
				Previous: ref(t, app), Run: []image.Ref{ref(t, run), ref(t, mirror)}, RunImage: test.runImage,
			})
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("got error %v, want %v", err, test.wantErr)
			}
			if test.wantErr != nil {
				if code := lifecycle.ExitCode(err); code != lifecycle.ExitAnalyze {
					t.Errorf("exit code %d, want %d", code, lifecycle.ExitAnalyze)
				}
				return
			}
			if got := result.RunImage.Image; got != test.wantRun {
				t.Errorf("run image %s, want %s", got, test.wantRun)
			}
			if got := result.PreviousImage != nil; got != test.wantPrevious {
				t.Errorf("previous image found: %t, want %t", got, test.wantPrevious)
			}
		})
	}
}

func TestByDigest(t *testing.T) {
	sum := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
	for in, want := range map[string]string{
		"example.com:5000/app:1": "example.com:5000/app@" + sum.String(),
		"app:1":                  "app@" + sum.String(),
		"team/app":               "team/app@" + sum.String(),
		"oci:/tmp/x:tag":         sum.String(),
	} {
		if got := byDigest(ref(t, in), sum); got != want {
			t.Errorf("%s by digest is %s, want %s", in, got, want)
		}
	}
}
