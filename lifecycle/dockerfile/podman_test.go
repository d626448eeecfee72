package dockerfile

import "testing"

func TestPodmanMount(t *testing.T) {
	t.Parallel()
	for mount, want := range map[string]string{
		"type=bind,source=a,target=/b":            "type=bind,source=a,target=/b",
		"type=bind,source=a,target=/b,z":          "type=bind,source=a,target=/b",
		"Z,source=a,U=true,rw,relabel=shared":     "source=a,rw",
		`type=cache,U,"target=/a,b",id=c`:         `type=cache,"target=/a,b",id=c`,
		"type=tmpfs,target=/a,tmpcopyup":          "type=bind,target=/a,from=" + ownFiles + ",rw",
		"type=cache,target=/a,tmpcopyup":          "type=cache,target=/a,tmpcopyup",
		"z":                                       "z",
		`type=bind,"target=/a`:                    `type=bind,"target=/a`,
		"type=bind,bind-propagation=rshared,zone": "type=bind,bind-propagation=rshared,zone",
	} {
		if got := podmanMount(mount); got != want {
			t.Errorf("%s becomes %s, want %s", mount, got, want)
		}
	}
}
