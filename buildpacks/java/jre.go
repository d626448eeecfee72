package java

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// jvmOptions are the defaults of the Java virtual machine in an image. They come before everything that the user says,
// in JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS or a command. The heap is a part of the container's memory, so that there is
// room for the rest of the process; a process without memory ends, so that whoever watches it can start another.
func jvmOptions() []string {
	return []string{"-XX:MaxRAMPercentage=70", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"}
}

// headful are the libraries of a Java runtime for screens and loudspeakers. Nothing loads them without a display, and
// they would bring half of a desktop into the image.
func headful() []string {
	return []string{"libawt_xawt.so", "libjawt.so", "libsplashscreen.so", "libjsound.so"}
}

// runtimeDir is where the runtime is in its layer: not at its top, where a directory lib would get into the search path
// of every program.
const runtimeDir = "jvm"

// jdk is the JDK of the build image.
type jdk struct {
	Home string
	// Major is its release, Version the whole of it.
	Major   int
	Version string
}

// findJDK finds the JDK of the build image.
func findJDK(env kit.Env) (jdk, error) {
	homes, err := filepath.Glob("/usr/lib/jvm/*")
	if err != nil {
		return jdk{}, fmt.Errorf("looking for the JDK: %w", err)
	}
	for _, home := range append([]string{env["JAVA_HOME"]}, homes...) {
		if home == "" {
			continue
		}
		if home, err = filepath.EvalSymlinks(home); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(home, "bin", "javac")); err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(home, "release"))
		if err != nil {
			return jdk{}, fmt.Errorf("reading the version of the JDK: %w", err)
		}
		found := jdk{Home: home, Version: releaseOf(data)}
		found.Major, _ = major(found.Version)
		return found, nil
	}
	return jdk{}, fmt.Errorf("looking for the JDK: the build image has none below /usr/lib/jvm")
}

// releaseOf reads the version in a JDK's file "release".
func releaseOf(data []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "JAVA_VERSION="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// runtime makes the layer of a Java runtime with the modules that the app uses, or takes over that of the previous image.
func (b *builder) runtime(ctx context.Context, l *layout) error {
	modules, err := b.usedModules(l)
	if err != nil {
		return err
	}
	layer, err := b.bc.Layers.Layer(runtimeLayer)
	if err != nil {
		return fmt.Errorf("reading layer %s: %w", runtimeLayer, err)
	}
	key, types := b.runtimeKey(modules), libcnb.LayerTypes{Launch: true}
	if kit.Made(layer, key) {
		kit.Say(b.bc.Logger, "Java runtime: the same modules, that of the previous image is used")
		b.result.Layers = append(b.result.Layers, kit.Mark(layer, types, key))
		return nil
	}
	if layer, err = kit.Fresh(layer, types, key); err != nil {
		return err
	}
	kit.Say(b.bc.Logger, "jlink: Java %s with %d modules: %s", b.jdk.Version, len(modules), strings.Join(modules, " "))
	run := b.ahead
	if b.ahead = nil; run == nil || !slices.Equal(run.modules, modules) {
		run.stop()
		run = b.startLink(ctx, modules)
	}
	defer run.stop()
	if err := run.wait(); err != nil {
		return err
	}
	for _, lib := range headful() {
		if err := os.RemoveAll(filepath.Join(run.dir, "lib", lib)); err != nil {
			return fmt.Errorf("removing %s from the Java runtime: %w", lib, err)
		}
	}
	if err := os.Rename(run.dir, filepath.Join(layer.Path, runtimeDir)); err != nil {
		return fmt.Errorf("placing the Java runtime: %w", err)
	}
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

// usedModules finds the modules; what is known of archives is kept in a cache layer.
func (b *builder) usedModules(l *layout) ([]string, error) {
	cache, err := kit.Cache(b.bc.Layers, "analysis")
	if err != nil {
		return nil, err
	}
	b.result.Layers = append(b.result.Layers, cache)
	all, err := readModules(b.jdk.Home)
	if err != nil {
		return nil, err
	}
	anyway, err := all.anyway(l.Modules, kit.Fields(b.env[envModules]))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(cache.Path, "modules-"+Version+"-"+b.jdk.Version+".json")
	u := &usage{jdk: all, known: loadKnown(file), found: map[string]bool{}}
	if err := u.scan(l.Scan); err != nil {
		return nil, err
	}
	return u.modules(anyway), saveKnown(file, u.known)
}
