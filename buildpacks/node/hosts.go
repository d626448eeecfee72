package node

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"

	"s2i/buildpacks/kit"
)

// hosts are the machines that the build is known to ask besides registries of packages.
func (d *decision) hosts() []kit.Host {
	var list []kit.Host
	if d.framework != nil {
		list = append(list, d.framework.Hosts...)
	}
	list = append(list, downloadHosts(d.project)...)
	return append(list, scopeHosts(d.project.app)...)
}

// downloader is a package that downloads something that is in no registry when it is installed.
type downloader struct{ name, host, what string }

func downloaders() []downloader {
	return []downloader{
		{"prisma", "binaries.prisma.sh", "Prisma before version 7 downloads its engines"},
		{"puppeteer", "storage.googleapis.com", "Puppeteer downloads a browser; Debian's is the package chromium:" +
			" set PUPPETEER_SKIP_DOWNLOAD=1, PUPPETEER_EXECUTABLE_PATH=/usr/bin/chromium and " + kit.EnvRunPackages + "=chromium"},
		{"electron", "github.com", "Electron downloads itself"},
		{"@nuxt/fonts", "fonts.googleapis.com", "@nuxt/fonts downloads fonts"},
		{"@nuxt/ui", "fonts.googleapis.com", "@nuxt/ui downloads fonts, and builds without them"},
	}
}

// downloadHosts looks for such packages among the dependencies.
func downloadHosts(p *project) []kit.Host {
	var list []kit.Host
	for _, d := range downloaders() {
		for _, m := range p.all() {
			field, spec := m.dependency(d.name)
			if field == "" || d.name == "prisma" && majorOf(spec) >= 7 {
				continue
			}
			list = append(list, kit.Host{Name: d.host, Why: d.what, Source: m.at(field, d.name)})
			break
		}
	}
	return list
}

// scopeRegistry matches the registry of a scope: in .npmrc as @scope:registry=URL, in bunfig.toml as
// "@scope" = "URL" or "@scope" = { url = "URL" }.
var scopeRegistry = regexp.MustCompile(`(?m)^[ \t]*"?(@[A-Za-z0-9._-]+)"?(?::registry)?[ \t]*=[ \t]*` +
	`(?:\{[^}\n]*url[ \t]*=[ \t]*)?"?(https?://[^\s"']+)`)

// maxScopes bounds how many registries of scopes are told of.
const maxScopes = 10

// scopeHosts gives the registries that the app names for some packages: they need not be the one that is configured for
// the build, nor be within its reach.
func scopeHosts(app *kit.App) []kit.Host {
	var list []kit.Host
	for _, name := range []string{".npmrc", "bunfig.toml"} {
		if !app.Has(name) {
			continue
		}
		data, err := app.Read(name)
		if err != nil {
			continue
		}
		for _, at := range scopeRegistry.FindAllSubmatchIndex(data, maxScopes) {
			scope, address := data[at[2]:at[3]], data[at[4]:at[5]]
			if u, err := url.Parse(string(bytes.TrimSpace(address))); err == nil && u.Hostname() != "" {
				list = append(list, kit.Host{Name: u.Hostname(), Why: "it is the registry of " + string(scope),
					Source: fmt.Sprintf("%s:%d", name, kit.Line(data, at[2]))})
			}
		}
	}
	return list
}
