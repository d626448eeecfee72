package java

import (
	"path"
	"strings"

	"s2i/buildpacks/kit"
)

// frontendPlugin is the use of a plugin that downloads Node.js for a build of JavaScript inside of Maven's.
type frontendPlugin struct {
	Source string
	// Node is the version that it asks for.
	Node value
	// Dir is where it installs Node.js: a directory "node" below it.
	Dir string
	// Tools are package managers that it installs besides npm.
	Tools []string
}

// findFrontendPlugin finds the plugin in the modules of the build.
func findFrontendPlugin(modules []*pom) *frontendPlugin {
	for _, m := range modules {
		plugins, ok := m.plugin("frontend-maven-plugin")
		if !ok {
			continue
		}
		f := &frontendPlugin{Source: plugins[0].Source, Dir: m.Dir}
		f.Node, _ = m.setting(plugins, "nodeVersion")
		if dir, ok := m.setting(plugins, "installDirectory"); ok {
			f.Dir = dir.Text
			if !rooted(plugins) {
				f.Dir = path.Join(m.Dir, dir.Text)
			}
		}
		for _, pl := range plugins {
			for _, goal := range pl.Element.find("goal") {
				if tool, ok := strings.CutPrefix(goal.Text, "install-node-and-"); ok && tool != "npm" {
					f.Tools = append(f.Tools, tool)
				}
			}
		}
		return f
	}
	return nil
}

// rooted tells whether the directory of the installation is written with a property that stands for a path already.
func rooted(plugins []plugin) bool {
	for _, pl := range plugins {
		for _, e := range pl.Element.find("installDirectory") {
			return strings.HasPrefix(e.Text, "${")
		}
	}
	return false
}

// needs gives what of the stack takes the place of the plugin's downloads.
func (f *frontendPlugin) needs() []kit.Need {
	if f == nil {
		return nil
	}
	node := kit.Need{Name: "node", Build: true}
	if n := strings.TrimPrefix(f.Node.Text, "v"); n != "" && !strings.Contains(n, "${") {
		node.Version = kit.Constraint{Value: n, Source: f.Node.Source, Kind: kit.Hint}
	}
	return []kit.Need{node, {Name: "npm", Build: true}}
}
