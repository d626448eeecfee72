package lifecycle

import (
	"runtime"
	"testing"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	host := HostTarget().String()
	for text, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/x86_64": "linux/amd64", "linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"linux/arm64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/aarch64": "linux/arm64", "arm64": "linux/arm64",
		"linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/arm/6": "linux/arm/v6", "linux/armhf": "linux/arm/v7",
		"linux/armel": "linux/arm/v6", "Linux/S390X": "linux/s390x", "linux/i386": "linux/386", "linux": host, "local": host,
		runtime.GOARCH: host,
		"":             "", "linux/": "", "/amd64": "", "windows/amd64": "", "linux/arm/v7/x": "", "linux/a b": "", "linux/../x": "",
	} {
		got, err := ParseTarget(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParseTarget(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}
