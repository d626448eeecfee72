package dockerfile

import "testing"

func TestDropRelabel(t *testing.T) {
	t.Parallel()
	for mount, want := range map[string]string{
		"type=bind,source=a,target=/b":            "type=bind,source=a,target=/b",
		"type=bind,source=a,target=/b,z":          "type=bind,source=a,target=/b",
		"Z,source=a,U=true,rw,relabel=shared":     "source=a,rw",
		`type=cache,U,"target=/a,b",id=c`:         `type=cache,"target=/a,b",id=c`,
		"z":                                       "z",
		`type=bind,"target=/a`:                    `type=bind,"target=/a`,
		"type=bind,bind-propagation=rshared,zone": "type=bind,bind-propagation=rshared,zone",
	} {
		if got := dropRelabel(mount); got != want {
			t.Errorf("%s becomes %s, want %s", mount, got, want)
		}
	}
}
