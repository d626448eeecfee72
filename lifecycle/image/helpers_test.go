package image

import (
	"errors"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"s2i/lifecycle"
)

func target(arch string) lifecycle.Target { return lifecycle.Target{OS: "linux", Arch: arch} }

func errorsIs(err, target error) bool { return errors.Is(err, target) }

// tarballSeed is the smallest image that has a layer.
func tarballSeed() (v1.Image, error) { return random.Image(10, 1) }

// forgetful answers every manifest as if its blobs were not there.
func forgetful(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
		return false
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
	return true
}
