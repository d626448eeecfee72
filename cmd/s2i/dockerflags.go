package main

import (
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle/image"
)

// dockerFlags are further names that users of docker and podman have in their scripts. They are not in the help, as those
// of Kaniko are not.
func dockerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "push", Hidden: true, Usage: "names with a registry are pushed anyway; others are refused"},
		&cli.BoolFlag{Name: "load", Hidden: true, Usage: "give the image to the docker daemon, too"},
		&cli.StringFlag{Name: "provenance", Hidden: true, Usage: "only `false`: attestations are not made"},
		&cli.StringFlag{Name: "sbom", Hidden: true, Usage: "only `false`: attestations are not made"},
		&cli.StringSliceFlag{Name: "attest", Hidden: true, Usage: "refused: attestations are not made"},
		&cli.StringFlag{Name: "authfile", Hidden: true, Usage: "the same as REGISTRY_AUTH_FILE=`FILE`"},
	}
}

// translateDocker does what these flags say by ours.
func translateDocker(c *cli.Context) error {
	for _, name := range []string{"provenance", "sbom"} {
		if v := c.String(name); v != "" && v != "false" {
			return usageError("--%s %s: attestations are not made; leave it out, or say --%s=false", name, v, name)
		}
	}
	if len(c.StringSlice("attest")) > 0 {
		return usageError("--attest: attestations are not made")
	}
	if file := c.String("authfile"); file != "" {
		if err := os.Setenv("REGISTRY_AUTH_FILE", file); err != nil {
			return err
		}
	}
	refs, err := parseRefs(c.StringSlice("tag"))
	if err != nil {
		return err
	}
	bare := slices.IndexFunc(refs, func(r image.Ref) bool { return r.Kind == image.Local })
	if c.Bool("push") && bare >= 0 {
		return usageError("--push: %s names no registry; write docker.io/%s for Docker Hub", refs[bare].Name, refs[bare].Name)
	}
	for _, r := range refs {
		if c.Bool("load") && (r.Kind == image.Local || r.Kind == image.Registry) {
			if err := c.Set("tag", "docker-daemon:"+r.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
