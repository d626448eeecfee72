package java

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"s2i/buildpacks/kit"
)

// maxDistribution and fetchTime bound the download of Gradle.
const (
	maxDistribution = 1 << 30
	fetchTime       = 15 * time.Minute
)

// gradle builds the app and lays it out.
func (b *builder) gradle(ctx context.Context, file string) (*layout, bool, error) {
	g, err := decideGradle(b.app, b.env, file)
	if err != nil {
		return nil, false, err
	}
	program, err := b.gradleProgram(ctx, g)
	if err != nil {
		return nil, false, err
	}
	cache, err := kit.Cache(b.bc.Layers, "gradle-home")
	if err != nil {
		return nil, false, err
	}
	b.result.Layers = append(b.result.Layers, cache)
	env, options, err := javaEnv(b.env)
	if err != nil {
		return nil, false, err
	}
	env["GRADLE_OPTS"] = strings.TrimSpace(strings.Join(options, " ") + " " + env["GRADLE_OPTS"])
	args := append([]string{program, "--no-daemon", "--console=plain", "--gradle-user-home", cache.Path, "-x", "test"}, g.Tasks...)
	if g.kind == kindSpring && !g.stackJRE {
		if err := b.linkAhead(ctx, ofSpring()); err != nil {
			return nil, false, err
		}
	}
	kit.Say(b.bc.Logger, "gradle %s", strings.Join(args[1:], " "))
	err = kit.Command{Args: args, Dir: b.bc.ApplicationPath, Env: env, Out: kit.Out(b.bc.Logger), Why: file + " is there",
		Advice: []kit.Advice{
			{Sign: "Task 'installDist' not found", Say: "the build has no plugin \"application\": name the tasks with " + envGradleTasks},
			{Sign: "was not found in any of the following sources", Say: "a plugin is not in the repositories of pluginManagement" +
				" in settings.gradle: add one that can be reached"},
		}}.Run(ctx)
	if err != nil {
		return nil, false, err
	}
	l, err := b.layOutGradle(g)
	return l, g.stackJRE, err
}

// gradleProgram gives the program of the distribution, which is fetched once and kept between builds.
func (b *builder) gradleProgram(ctx context.Context, g *gradleBuild) (string, error) {
	cache, err := kit.Cache(b.bc.Layers, "gradle")
	if err != nil {
		return "", err
	}
	b.result.Layers = append(b.result.Layers, cache)
	name := strings.TrimSuffix(path.Base(g.Distribution.Text), ".zip")
	home := filepath.Join(cache.Path, name)
	program := filepath.Join(home, "bin", "gradle")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return "", reject("%s: %q is no address of a distribution of Gradle", g.Distribution.Source, g.Distribution.Text)
	}
	kit.Say(b.bc.Logger, "fetching Gradle from %s", redacted(g.Distribution.Text))
	file := filepath.Join(os.TempDir(), name+".zip")
	if err := fetch(ctx, g, file); err != nil {
		return "", err
	}
	if err := unpackGradle(file, home); err != nil {
		return "", errors.Join(err, os.RemoveAll(home))
	}
	return program, nil
}

// redacted is an address without its password.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return "an address that cannot be read"
}

// fetch downloads the distribution and verifies its digest, when the wrapper names one.
func fetch(ctx context.Context, g *gradleBuild, file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fetching Gradle from %s (%s): %w", redacted(g.Distribution.Text), g.Distribution.Source, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Distribution.Text, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(response.Body, maxDistribution+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	switch {
	case n > maxDistribution:
		return fmt.Errorf("it has more than %d bytes", maxDistribution)
	case g.Sum != "" && !strings.EqualFold(g.Sum, sum):
		return fmt.Errorf("its sha256 is %s, the wrapper's properties say %s", sum, g.Sum)
	}
	return nil
}

// unpackGradle unpacks a distribution; its programs are made executable.
func unpackGradle(file, home string) error {
	j, err := openJar(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	if err != nil {
		return err
	}
	defer j.Close()
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("unpacking Gradle: %w", err)
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		return fmt.Errorf("unpacking Gradle: %w", err)
	}
	defer root.Close()
	s := &stage{root: root, left: maxUnpacked}
	err = s.unpack(j, func(name string) string {
		_, name, _ = strings.Cut(name, "/") // gradle-<version>
		return name
	})
	if err != nil {
		return err
	}
	if err := root.Chmod("bin/gradle", 0o755); err != nil {
		return fmt.Errorf("unpacking Gradle: %w", err)
	}
	return nil
}

// layOutGradle makes the app to run out of what Gradle built.
func (b *builder) layOutGradle(g *gradleBuild) (*layout, error) {
	s, err := newStage(b.app)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	d := &decision{app: candidate{pom: &pom{Dir: "."}, kind: g.kind}}
	var l *layout
	switch g.kind {
	case kindSpring:
		d.app.results = "build/libs"
		l, err = b.layOutSpring(s, d)
	case kindQuarkus:
		d.app.results = "build"
		l, err = b.layOutQuarkus(s, d)
	default:
		l, err = b.layOutInstalled(s, g)
	}
	if err != nil {
		return nil, err
	}
	if err := s.keep(kit.Fields(b.env[envKeep])); err != nil {
		return nil, err
	}
	return l, s.replace()
}

// The parts of the start script that the plugin "application" writes.
var (
	scriptClasspath = regexp.MustCompile(`(?m)^CLASSPATH=["']?(.*?)["']?$`)
	scriptMain      = regexp.MustCompile(`(?m)^\s*(?:-classpath "\$CLASSPATH"|-classpath "\\?\\?\$CLASSPATH\\?\\?")\s*\\\n\s*([\w.$]+)`)
)

// layOutInstalled takes the installation that the plugin "application" makes: libraries, and a start script of which
// only the class path and the main class are taken.
func (b *builder) layOutInstalled(s *stage, g *gradleBuild) (*layout, error) {
	scripts, err := fs.Glob(b.app.FS(), "build/install/*/bin/*")
	if err != nil {
		return nil, fmt.Errorf("looking for what was built: %w", err)
	}
	for _, script := range scripts {
		if strings.HasSuffix(script, ".bat") {
			continue
		}
		data, err := b.app.Read(script)
		if err != nil {
			return nil, fmt.Errorf("reading the start script: %w", err)
		}
		main, libs := parseScript(data)
		if main == "" {
			continue
		}
		l := &layout{Command: []string{"java", main}, Listen: ports(g.Framework)}
		dir := path.Dir(path.Dir(script))
		var names []string
		own := map[string]bool{}
		for _, lib := range libs {
			name := path.Join(libDir, path.Base(lib))
			from := filepath.Join(b.app.Dir, filepath.FromSlash(path.Join(dir, lib)))
			if err := s.copyFile(name, from, true); err != nil {
				return nil, err
			}
			own[name] = b.app.Has("build/libs/" + path.Base(lib))
			names = append(names, name)
		}
		if !b.inLibraries(s, classFile(main)) {
			return nil, fmt.Errorf("verifying the start command: %s starts %s, which is in none of the libraries", script, main)
		}
		return b.byClasspath(s, l, names, own)
	}
	return nil, fmt.Errorf("looking for what was built: there is no start script build/install/*/bin/*: name other tasks with %s",
		envGradleTasks)
}

// parseScript reads the main class and the class path, relative to the installation, out of a start script.
func parseScript(data []byte) (main string, libs []string) {
	if m := scriptMain.FindSubmatch(data); m != nil {
		main = string(m[1])
	}
	if m := scriptClasspath.FindSubmatch(data); m != nil {
		for entry := range strings.SplitSeq(string(m[1]), ":") {
			if lib, ok := strings.CutPrefix(entry, "$APP_HOME/"); ok && fs.ValidPath(lib) && path.Ext(lib) == ".jar" {
				libs = append(libs, lib)
			}
		}
	}
	return main, libs
}
