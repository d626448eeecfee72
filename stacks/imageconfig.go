package stacks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// basePath is PATH of every image.
const basePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Contents is the label lifecycle.LabelPackages: what an image consists of, and what was asked for, so that a newer
// lock can compose its successor.
type Contents struct {
	Stack    string    `json:"stack"`
	Set      string    `json:"set"`
	Packages []Content `json:"packages"`
}

// Content is one package of an image.
type Content struct {
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Request []string `json:"request,omitempty"` // version constraints
}

// ReadContents reads the label of an image's labels; nil when there is none.
func ReadContents(labels map[string]string) (*Contents, error) {
	text, ok := labels[lifecycle.LabelPackages]
	if !ok {
		return nil, nil
	}
	var c Contents
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return nil, fmt.Errorf("reading the label %s: %w", lifecycle.LabelPackages, err)
	}
	return &c, nil
}

// Request gives the request that composes a run image with the same packages, in versions that the then current lock
// has for what was asked for.
func (c *Contents) Request(target lifecycle.Target) Request {
	r := Request{Target: target, RunSet: c.Set}
	for _, p := range c.Packages {
		meta := map[string]any{"launch": true}
		if len(p.Request) == 0 {
			r.Requires = append(r.Requires, lifecycle.Require{Name: p.Name, Metadata: meta})
		}
		for _, v := range p.Request {
			r.Requires = append(r.Requires, lifecycle.Require{Name: p.Name,
				Metadata: map[string]any{"launch": true, "version": v}})
		}
	}
	return r
}

// makeImage puts the layers of an image's parts together.
func (s *Stack) makeImage(ctx context.Context, res *Resolution, which string, layers map[string]v1.Layer) (v1.Image, error) {
	parts, need := res.Run, store.Blob
	if which == imageBuild {
		parts, need = res.Build, store.Tree
	}
	config := &v1.ConfigFile{
		OS: "linux", Architecture: res.Target.Arch, Variant: res.Target.Variant,
		Created: v1.Time{Time: archive.Epoch},
		RootFS:  v1.RootFS{Type: "layers"},
	}
	var list []v1.Layer
	add := func(l v1.Layer, title string) {
		list = append(list, l)
		config.History = append(config.History, v1.History{Created: v1.Time{Time: archive.Epoch},
			CreatedBy: "s2i stack " + s.Config.Name + ": " + title})
	}
	for _, p := range parts {
		add(layers[s.key(p)], p.title())
	}
	libraries, err := s.imageLibraries(ctx, list, which == imageBuild)
	if err != nil {
		return nil, err
	}
	if l, err := s.cacheLayer(ctx, libraries, res.Target.Arch, need); err != nil {
		return nil, err
	} else if l != nil {
		add(l, ldCache)
	}
	labels, err := s.labels(res, parts, which)
	if err != nil {
		return nil, err
	}
	if which == imageRun {
		if labels[lifecycle.LabelCompatibility], err = s.compatibilityLabel(parts, libraries); err != nil {
			return nil, err
		}
	}
	config.Config = v1.Config{Labels: labels, Env: s.env(res, parts, which), User: user(), WorkingDir: "/"}
	return newImage(config, list)
}

func user() string { return fmt.Sprintf("%d:%d", lifecycle.UserID, lifecycle.GroupID) }

// env is an image's environment, sorted but for PATH, which comes first.
func (s *Stack) env(res *Resolution, parts []Part, which string) []string {
	vars := map[string]string{"SSL_CERT_FILE": caBundleAt}
	name := res.RunSet
	var paths []string
	if which == imageBuild {
		name = res.BuildSet
		vars["CNB_USER_ID"] = strconv.Itoa(lifecycle.UserID)
		vars["CNB_GROUP_ID"] = strconv.Itoa(lifecycle.GroupID)
		for _, p := range parts {
			if c, ok := s.Config.Packages[p.Package]; ok && p.Name == p.Package {
				paths = append(paths, c.BuildPath...)
				maps.Copy(vars, c.BuildEnv)
			}
		}
	} else {
		for _, p := range parts {
			if p.Name == p.Package {
				maps.Copy(vars, s.Config.Packages[p.Package].RunEnv)
			}
		}
	}
	if set, err := s.Config.set(which, name); err == nil {
		maps.Copy(vars, set.Env)
	}
	env := []string{"PATH=" + strings.Join(append(paths, basePath), ":")}
	for _, k := range sortedKeys(vars) {
		env = append(env, k+"="+vars[k])
	}
	return env
}

func (s *Stack) labels(res *Resolution, parts []Part, which string) (map[string]string, error) {
	set := res.RunSet
	if which == imageBuild {
		set = res.BuildSet
	}
	contents := Contents{Stack: s.Config.Name, Set: set, Packages: []Content{}}
	for _, p := range parts[1:] {
		if p.Name == p.Package {
			contents.Packages = append(contents.Packages, Content{p.Package, p.Version, p.Request})
		}
	}
	packages, err := json.Marshal(contents)
	if err != nil {
		return nil, fmt.Errorf("writing the label %s: %w", lifecycle.LabelPackages, err)
	}
	return map[string]string{
		lifecycle.LabelDistroName:    s.Config.Distro.Name,
		lifecycle.LabelDistroVersion: s.Config.Distro.Version,
		lifecycle.LabelStackID:       s.Config.ID,
		lifecycle.LabelBaseID:        s.Config.ID + "." + which + "." + set,
		lifecycle.LabelPackages:      string(packages),
	}, nil
}

// compatibilityLabel is what a run image offers, for rebase to compare.
func (s *Stack) compatibilityLabel(parts []Part, libraries *layerLibraries) (string, error) {
	text, err := json.Marshal(lifecycle.Compatibility{Keys: s.compatibility(parts), Libraries: libraries.bySoname()})
	if err != nil {
		return "", fmt.Errorf("writing the label %s: %w", lifecycle.LabelCompatibility, err)
	}
	return string(text), nil
}

// compatibility gives what an app can rely on in a run image, by key: "debian" and "glibc" with versions, shared
// libraries that have no package of their own per soname, and what packages of the catalogue promise.
func (s *Stack) compatibility(parts []Part) map[string]string {
	keys := map[string]string{s.Config.Distro.Name: s.Config.Distro.Version}
	for _, p := range parts {
		for _, d := range p.Debs {
			switch d.Name {
			case "libc6":
				keys["glibc"] = upstream(d.Version)
			case "libstdc++6":
				keys["libstdc++"] = "6"
			case "libssl3", "libssl3t64":
				keys["libssl"] = "3"
			}
		}
		c, ok := s.Config.Packages[p.Package]
		if !ok || c.Compatibility == "" || p.Name != p.Package {
			continue
		}
		if n := c.CompatibilityParts; n > 0 {
			numbers := strings.Split(p.Version, ".")
			keys[c.Compatibility] = strings.Join(numbers[:min(n, len(numbers))], ".")
			continue
		}
		major, _, _ := strings.Cut(p.Version, ".")
		value, ok := c.CompatibilityValues[major]
		if !ok {
			value = c.Compatibility + " of " + p.Package + " " + major // equal only to itself
		}
		keys[c.Compatibility] = value
	}
	return keys
}
