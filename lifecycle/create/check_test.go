package create

import (
	"context"
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An image that does not pass the check is published nowhere, and is checked again the next time.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	wrong := errors.New("does not start")
	checked := 0
	w.Check = func(_ context.Context, img v1.Image) error {
		if _, err := img.Digest(); err != nil {
			t.Error(err)
		}
		checked++
		return wrong
	}
	for range 2 {
		if _, err := w.build(t, "one"); !errors.Is(err, wrong) {
			t.Fatalf("got %v", err)
		}
		for _, ref := range w.Refs {
			if _, err := w.Images.Image(t.Context(), ref, w.App.Target); err == nil {
				t.Errorf("%s was published", ref)
			}
		}
	}
	wrong = nil
	w.mustBuild(t, "")
	if again := w.mustBuild(t, ""); !again.Known || checked != 4 {
		t.Errorf("known %v, checked %d times", again.Known, checked)
	}
}
