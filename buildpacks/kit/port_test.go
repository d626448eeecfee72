package kit_test

import (
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

func TestListen(t *testing.T) {
	env := libcnb.Environment{}
	kit.Listen(env, "web")
	kit.Listen(env, "web", kit.Assignment{Name: "ROCKET_PORT", Value: kit.Port})
	kit.Listen(env, "web", kit.Assignment{Name: "ROCKET_PORT", Value: kit.Port})
	kit.Listen(env, "admin")
	want := libcnb.Environment{
		"web/PORT.default": "8080", "web/S2I_EXPAND.override": "PORT=8080\nROCKET_PORT=$(PORT)",
		"admin/PORT.default": "8080", "admin/S2I_EXPAND.override": "PORT=8080",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
