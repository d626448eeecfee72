package lifecycle

import (
	"fmt"
	"runtime"
	"strings"
)

// HostTarget is the platform that this program runs on.
func HostTarget() Target { return normalTarget(Target{OS: "linux", Arch: runtime.GOARCH}) }

// ParseTarget reads a platform as users write it, OS/ARCH[/VARIANT], OS or ARCH, or "local" for this machine's, and gives
// it in the one form that everything compares: x86_64 is amd64, aarch64 and arm64/v8 are arm64, arm is arm/v7. Only Linux
// images can be made.
func ParseTarget(text string) (Target, error) {
	host := HostTarget()
	if text == "local" {
		return host, nil
	}
	parts := strings.Split(strings.ToLower(text), "/")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return Target{}, fmt.Errorf("platform %q is not like linux/amd64 or linux/arm/v7", text)
		}
	}
	switch {
	case len(parts) > 3:
		return Target{}, fmt.Errorf("platform %q is not like linux/amd64 or linux/arm/v7", text)
	case parts[0] != "linux" && len(parts) == 1:
		parts = []string{"linux", parts[0]}
	case len(parts) == 1:
		return host, nil
	case parts[0] != "linux":
		return Target{}, fmt.Errorf("platform %s: only linux images can be built", text)
	}
	t := Target{OS: "linux", Arch: parts[1]}
	if len(parts) == 3 {
		t.Variant = parts[2]
	}
	return normalTarget(t), nil
}

// normalTarget gives architectures their Go names, and leaves out variants that go without saying.
func normalTarget(t Target) Target {
	switch t.Arch {
	case "x86_64", "x86-64":
		t.Arch = "amd64"
	case "i386", "i686":
		t.Arch = "386"
	case "aarch64":
		t.Arch = "arm64"
	case "armhf":
		t.Arch, t.Variant = "arm", "v7"
	case "armel":
		t.Arch, t.Variant = "arm", "v6"
	}
	if t.Variant != "" && t.Variant[0] >= '0' && t.Variant[0] <= '9' {
		t.Variant = "v" + t.Variant
	}
	switch {
	case t.Arch == "arm64" && t.Variant == "v8", t.Arch == "amd64" && t.Variant == "v1":
		t.Variant = ""
	case t.Arch == "arm" && t.Variant == "":
		t.Variant = "v7"
	}
	return t
}
