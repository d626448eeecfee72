package maven

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"s2i/stacks/fetch"
)

// ErrNotConfigured means that nothing says which repository to use.
var ErrNotConfigured = errors.New("no Maven repository is configured; set a mirror in ~/.m2/settings.xml, " +
	"S2I_MAVEN_MIRROR, or maven in the [mirrors] table of s2i's config.toml")

// maxPOM bounds what is read of the super POM.
const maxPOM = 1 << 20

// central is the id of the repository that Maven itself knows.
const central = "central"

// LoadConfig finds out which repository the user has configured: S2I_MAVEN_MIRROR, then the mirror of central in the
// settings of the user and of an installed Maven, and last the repository that an installed Maven knows itself.
func LoadConfig(env func(string) string) fetch.Site {
	site := ReadConfig(env)
	if site.Base == "" {
		site = site.At(superPOM(env))
	}
	return site
}

// ReadConfig is LoadConfig without looking into an installed Maven.
func ReadConfig(env func(string) string) fetch.Site {
	netrc := fetch.LoadNetrc(env)
	if site := fetch.NewSite(env("S2I_MAVEN_MIRROR"), netrc); site.Base != "" {
		return site
	}
	var files []string
	if home := env("HOME"); home != "" {
		files = append(files, filepath.Join(home, ".m2", "settings.xml"))
	}
	for _, dir := range homes(env) {
		files = append(files, filepath.Join(dir, "conf", "settings.xml"))
	}
	files = append(files, "/etc/maven/settings.xml")
	for _, file := range files {
		if site := fromSettings(file, env, netrc); site.Base != "" {
			return site
		}
	}
	return fetch.NewSite("", netrc)
}

// homes lists where a Maven may be installed.
func homes(env func(string) string) []string {
	var dirs []string
	for _, name := range []string{"MAVEN_HOME", "M2_HOME"} {
		if dir := env(name); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if bin, err := exec.LookPath("mvn"); err == nil {
		if real, err := filepath.EvalSymlinks(bin); err == nil {
			dirs = append(dirs, filepath.Join(filepath.Dir(real), ".."))
		}
	}
	return dirs
}

// settings is what concerns us of a settings.xml. Mirrors for the builds themselves are the business of Maven.
type settings struct {
	Mirrors []struct {
		ID       string `xml:"id"`
		MirrorOf string `xml:"mirrorOf"`
		URL      string `xml:"url"`
		Blocked  bool   `xml:"blocked"`
	} `xml:"mirrors>mirror"`
	Servers []struct {
		ID       string `xml:"id"`
		Username string `xml:"username"`
		Password string `xml:"password"`
	} `xml:"servers>server"`
}

// fromSettings finds the mirror of central in a settings.xml.
func fromSettings(file string, env func(string) string, netrc fetch.Netrc) fetch.Site {
	var s settings
	if err := xml.Unmarshal(fetch.Settings(file), &s); err != nil {
		return fetch.Site{}
	}
	for _, m := range s.Mirrors {
		if m.Blocked || !mirrorsCentral(m.MirrorOf) {
			continue
		}
		site := fetch.NewSite(expand(m.URL, env), netrc)
		if site.Base == "" {
			continue
		}
		for _, server := range s.Servers {
			password := expand(server.Password, env)
			if server.ID == m.ID && server.Username != "" && !strings.HasPrefix(password, "{") { // not an encrypted one
				site = site.Login(expand(server.Username, env), password)
			}
		}
		return site
	}
	return fetch.Site{}
}

// mirrorsCentral tells whether a mirrorOf covers central: "*", "central", "external:*", and not "!central".
func mirrorsCentral(of string) bool {
	var items []string
	for _, item := range strings.Split(of, ",") {
		items = append(items, strings.TrimSpace(item))
	}
	return !slices.Contains(items, "!"+central) && (slices.Contains(items, central) || slices.Contains(items, "*") ||
		slices.Contains(items, "external:*"))
}

// expand replaces ${env.NAME}.
func expand(s string, env func(string) string) string {
	s = strings.TrimSpace(s)
	return os.Expand(s, func(name string) string {
		if rest, ok := strings.CutPrefix(name, "env."); ok {
			return env(rest)
		}
		return "${" + name + "}"
	})
}

// superPOM reads the address of central from the super POM of an installed Maven, or of one that a wrapper installed.
func superPOM(env func(string) string) string {
	dirs := homes(env)
	if home := env("HOME"); home != "" {
		found, _ := filepath.Glob(filepath.Join(home, ".m2", "wrapper", "dists", "*", "*", "*")) // the pattern is valid
		dirs = append(dirs, found...)
	}
	for _, dir := range append(dirs, "/usr/share/maven") {
		jars, _ := filepath.Glob(filepath.Join(dir, "lib", "maven-model-builder-*.jar")) // the pattern may have brackets
		for _, jar := range jars {
			if address := fromJar(jar); address != "" {
				return address
			}
		}
	}
	return ""
}

func fromJar(jar string) string {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return ""
	}
	defer z.Close()
	f, err := z.Open("org/apache/maven/model/pom-4.0.0.xml")
	if err != nil {
		return ""
	}
	defer f.Close()
	var pom struct {
		Repositories []struct {
			ID  string `xml:"id"`
			URL string `xml:"url"`
		} `xml:"repositories>repository"`
	}
	if err := xml.NewDecoder(io.LimitReader(f, maxPOM)).Decode(&pom); err != nil {
		return ""
	}
	for _, r := range pom.Repositories {
		if r.ID == central {
			return strings.TrimSpace(r.URL)
		}
	}
	return ""
}
