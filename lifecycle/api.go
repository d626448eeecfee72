package lifecycle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// API is a version of a CNB API: major.minor.
type API struct{ Major, Minor int }

// Versions of the APIs that are spoken, oldest and newest. (The launcher has its own, wider range of Platform APIs,
// because it may find itself in an image that another lifecycle exported.)
var (
	platformAPIs  = apiRange{API{0, 15}, API{0, 15}}
	buildpackAPIs = apiRange{API{0, 7}, API{0, 12}}
)

type apiRange struct{ oldest, newest API }

func (r apiRange) holds(a API) bool { return !a.Less(r.oldest) && !r.newest.Less(a) }

// String gives "0.7 to 0.12", or the one version.
func (r apiRange) String() string {
	if r.oldest == r.newest {
		return r.oldest.String()
	}
	return r.oldest.String() + " to " + r.newest.String()
}

// ParseAPI reads "0.8", or "1" for "1.0".
func ParseAPI(s string) (API, error) {
	major, minor, dotted := strings.Cut(s, ".")
	var a API
	var err error
	if a.Major, err = apiNumber(major); err == nil && dotted {
		a.Minor, err = apiNumber(minor)
	}
	if err != nil {
		return API{}, fmt.Errorf("reading API version %q: want a form like \"0.10\"", s)
	}
	return a, nil
}

func apiNumber(s string) (int, error) {
	if len(s) > 1 && s[0] == '0' || strings.ContainsAny(s, "+-") {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}

// String gives major.minor.
func (a API) String() string { return strconv.Itoa(a.Major) + "." + strconv.Itoa(a.Minor) }

// Less tells whether a is older than b.
func (a API) Less(b API) bool {
	return a.Major < b.Major || a.Major == b.Major && a.Minor < b.Minor
}

// AtLeast tells whether a is major.minor or newer.
func (a API) AtLeast(major, minor int) bool { return !a.Less(API{major, minor}) }

// CheckPlatformAPI reads the Platform API that a phase was asked for (CNB_PLATFORM_API). The error carries
// ExitPlatformAPI.
func CheckPlatformAPI(s string) (API, error) {
	ok := platformAPIs
	if s == "" {
		return API{}, WithCode(ExitPlatformAPI,
			fmt.Errorf("choosing the Platform API: CNB_PLATFORM_API is not set; this lifecycle speaks %v", ok))
	}
	a, err := ParseAPI(s)
	if err != nil {
		return API{}, WithCode(ExitPlatformAPI, fmt.Errorf("choosing the Platform API: CNB_PLATFORM_API: %w", err))
	}
	if !ok.holds(a) {
		return API{}, WithCode(ExitPlatformAPI,
			fmt.Errorf("choosing the Platform API: %s is not supported; this lifecycle speaks %v", s, ok))
	}
	return a, nil
}

// CheckBuildpackAPI reads the Buildpack API that a module declares. who names the module in the error, which carries
// ExitBuildpackAPI.
func CheckBuildpackAPI(who, s string) (API, error) {
	a, err := ParseAPI(s)
	if err != nil {
		return API{}, WithCode(ExitBuildpackAPI, fmt.Errorf("checking buildpack %s: %w", who, err))
	}
	if !buildpackAPIs.holds(a) {
		return API{}, WithCode(ExitBuildpackAPI,
			fmt.Errorf("checking buildpack %s: its Buildpack API %s is not supported (%v are); use another version of it",
				who, s, buildpackAPIs))
	}
	return a, nil
}

// DefaultExecEnv is the execution environment when the platform names none.
const DefaultExecEnv = "production"

// ExecEnvs lists the execution environments ("production", "test", "development") that something is for. Empty, or
// holding "*", means all of them.
type ExecEnvs []string

// Has tells whether env is one of them. An empty env is DefaultExecEnv.
func (e ExecEnvs) Has(env string) bool {
	if env == "" {
		env = DefaultExecEnv
	}
	return len(e) == 0 || slices.Contains(e, "*") || slices.Contains(e, env)
}

// UnmarshalTOML reads both forms in use: a list of names (the reference lifecycle and pack) and a list of tables with
// a name (the specification's text for buildpack.toml).
func (e *ExecEnvs) UnmarshalTOML(v any) error {
	*e = nil
	for _, item := range tomlList(v) {
		if table, ok := item.(map[string]any); ok {
			item = table["name"]
		}
		name, ok := item.(string)
		if !ok || name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("exec-env: want a list of names without a slash")
		}
		*e = append(*e, name)
	}
	return nil
}

// tomlList gives the items of a decoded TOML array, whether of values or of tables.
func tomlList(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []map[string]any:
		items := make([]any, len(v))
		for i, table := range v {
			items[i] = table
		}
		return items
	default:
		return []any{v}
	}
}
