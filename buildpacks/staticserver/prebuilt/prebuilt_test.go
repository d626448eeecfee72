package prebuilt

import (
	"bytes"
	"strings"
	"testing"
)

func TestServer(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		data, err := Server(arch)
		switch {
		case err != nil && !strings.Contains(err.Error(), "make build"):
			t.Errorf("%s: %v", arch, err)
		case err == nil && !bytes.HasPrefix(data, []byte("\x7fELF")):
			t.Errorf("%s: no program", arch)
		}
	}
	for _, arch := range []string{"riscv64", "", "../launch", "amd64/"} {
		if _, err := Server(arch); err == nil {
			t.Errorf("%q: no error", arch)
		}
	}
}
