package lifecycle

import "path/filepath"

// FailurePath is where the builder writes which buildpack failed, relative to the layers directory. It is no part of the
// specification.
const FailurePath = "config/failure.toml"

// Failure says which buildpack a build failed in.
type Failure struct {
	Buildpack string `toml:"buildpack"`
}

// ReadFailure reads <layers>/config/failure.toml.
func ReadFailure(layersDir string) (Failure, error) {
	var f Failure
	if ok, err := realFile(filepath.Join(layersDir, FailurePath)); err != nil || !ok {
		return f, err
	}
	_, err := readTOML(filepath.Join(layersDir, FailurePath), &f)
	return f, err
}

// WriteFailure writes <layers>/config/failure.toml.
func WriteFailure(layersDir string, f Failure) error {
	return writeTOML(filepath.Join(layersDir, FailurePath), f)
}
