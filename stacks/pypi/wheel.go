package pypi

import (
	"strings"
)

// Wheel is what the name of a wheel says (PEP 427).
type Wheel struct {
	Version   string
	Platforms []string // "manylinux_2_17_x86_64"
}

// ParseWheel reads the name of a wheel; ok is false for other files, and for wheels of other projects.
func ParseWheel(project, name string) (w Wheel, ok bool) {
	stem, ok := strings.CutSuffix(name, ".whl")
	parts := strings.Split(stem, "-")
	if !ok || len(parts) < 5 || len(parts) > 6 || normal(parts[0]) != normal(project) {
		return w, false
	}
	return Wheel{Version: parts[1], Platforms: strings.Split(parts[len(parts)-1], ".")}, true
}

// normal is a project's name as names are compared.
func normal(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// Fits tells whether a wheel's programs run on Debian of an architecture (GOARCH name).
func (w Wheel) Fits(arch string) bool {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
	for _, p := range w.Platforms {
		if strings.HasPrefix(p, "manylinux") && machine != "" && strings.HasSuffix(p, "_"+machine) {
			return true
		}
	}
	return false
}
