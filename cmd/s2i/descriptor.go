package main

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/progress"
)

// applyDescriptor lets project.toml speak where the command line says nothing: build environment, and buildpacks.
func applyDescriptor(ctx context.Context, o *create.Options, c *cli.Context) error {
	d := o.Tree.Descriptor
	if d == nil {
		o.App.Start = cmp.Or(o.App.Start, o.App.Env[startVariable])
		return nil
	}
	if d.Builder != "" {
		progress.Warn(ctx, "project.toml asks for the builder %s, an image, which is not used: the stack and the order of "+
			"buildpacks are s2i's own, or those of --builder FILE", d.Builder)
	}
	for _, v := range d.Env {
		if _, set := o.App.Env[v.Name]; !set && forProduction(v.ExecEnv) {
			o.App.Env[v.Name] = v.Value
		}
	}
	o.App.Start = cmp.Or(o.App.Start, o.App.Env[startVariable])
	if c.IsSet("buildpack") {
		return nil
	}
	group, err := descriptorGroup(o, d.Group)
	if err != nil {
		return err
	}
	if len(group) > 0 {
		o.Builder.Order = lifecycle.Order{{Elements: group}}
	}
	pre, err := descriptorGroup(o, d.Pre)
	if err != nil {
		return err
	}
	post, err := descriptorGroup(o, d.Post)
	if err != nil {
		return err
	}
	order := slices.Clone(o.Builder.Order)
	for i, g := range order {
		order[i].Elements = slices.Concat(pre, g.Elements, post)
	}
	o.Builder.Order = order
	return nil
}

// startVariable is the start command, where project.toml or --env gives it.
const startVariable = "S2I_START"

// descriptorGroup finds the buildpacks that project.toml names, and adds third-party ones to the builder.
func descriptorGroup(o *create.Options, named []lifecycle.ProjectBuildpack) ([]lifecycle.GroupElement, error) {
	var group []lifecycle.GroupElement
	for _, n := range named {
		if !forProduction(n.ExecEnv) {
			continue
		}
		name := n.ID
		switch {
		case n.Script != nil:
			return nil, usageError("project.toml has the inline buildpack %s, which is not supported; put it in a directory and name it by uri", n.ID)
		case n.URI != "" && (strings.Contains(n.URI, "://") || !filepath.IsLocal(n.URI)):
			return nil, usageError("project.toml names the buildpack %s; only directories inside the project are supported", n.URI)
		case n.URI != "":
			name = filepath.Join(o.Tree.Dir, n.URI)
		case n.Version != "":
			name += "@" + n.Version
		}
		bp, err := oneBuildpack(&o.Builder, name, moduleIn)
		if err != nil {
			return nil, err
		}
		group = append(group, bp)
	}
	return group, nil
}

// forProduction tells whether an entry of project.toml is for what we build: images that run in production.
func forProduction(execEnv []string) bool {
	return len(execEnv) == 0 || slices.Contains(execEnv, lifecycle.DefaultExecEnv) || slices.Contains(execEnv, "*")
}
