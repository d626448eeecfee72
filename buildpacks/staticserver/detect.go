package staticserver

import (
	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's ID.
const ID = "s2i/static-server"

// Detect always passes; the buildpack takes part when one before it provides a static site.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	kit.Say(ctx.Logger, "serves files that another buildpack leaves")
	return kit.Match{
		ID:     ID,
		Record: kit.Record{Summary: "files are served by s2i's own static server, on PORT"},
		Wants:  []kit.Want{{Name: kit.StaticSite}},
	}.Pass()
}
