package launch

import (
	"strconv"
	"strings"
)

// Exit codes (platform §launcher).
const (
	exitPlatformAPI  = 11
	exitBuildpackAPI = 12
	exitLaunch       = 82
)

// What the launcher understands, as minor versions of 0.
const (
	oldestPlatformAPI, newestPlatformAPI   = 7, 15
	oldestBuildpackAPI, newestBuildpackAPI = 7, 12
)

// apiError is about an API version that the launcher does not know.
type apiError struct {
	code int
	text string
}

// Error tells which version of whom is not supported.
func (e *apiError) Error() string { return e.text }

// platformAPI gives the minor version of the Platform API that the image was exported with.
func platformAPI(s string) (int, error) {
	if s == "" {
		return 0, &apiError{exitPlatformAPI, "CNB_PLATFORM_API is not set; the image's configuration sets it"}
	}
	minor, ok := parseAPI(s, oldestPlatformAPI, newestPlatformAPI)
	if !ok {
		return 0, &apiError{exitPlatformAPI, "Platform API " + s + " is not supported by this launcher"}
	}
	return minor, nil
}

// buildpackAPI gives the minor version of the Buildpack API of bp.
func buildpackAPI(bp buildpack) (int, error) {
	minor, ok := parseAPI(bp.api, oldestBuildpackAPI, newestBuildpackAPI)
	if !ok {
		return 0, &apiError{exitBuildpackAPI,
			"Buildpack API " + bp.api + " of " + bp.id + " is not supported by this launcher"}
	}
	return minor, nil
}

func parseAPI(s string, oldest, newest int) (minor int, ok bool) {
	rest, ok := strings.CutPrefix(s, "0.")
	if !ok {
		return 0, false
	}
	minor, err := strconv.Atoi(rest)
	return minor, err == nil && strconv.Itoa(minor) == rest && oldest <= minor && minor <= newest
}

// failure is an error and what was being done.
type failure struct {
	what string
	err  error
}

// Error gives what was being done and the error.
func (f *failure) Error() string { return f.what + ": " + f.err.Error() }

// Unwrap gives the error alone.
func (f *failure) Unwrap() error { return f.err }

// doing adds to err what was being done. It stands in for fmt.Errorf, which would be a tenth of the program.
func doing(what string, err error) error { return &failure{what, err} }
