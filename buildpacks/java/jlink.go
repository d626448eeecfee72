package java

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"s2i/buildpacks/kit"
)

// runtimeLayer is the layer of the Java runtime.
const runtimeLayer = "jre"

// linkArgs is the command that makes a runtime with some modules in a directory.
func (b *builder) linkArgs(modules []string, dir string) []string {
	return []string{
		filepath.Join(b.jdk.Home, "bin", "jlink"), "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC",
		"--module-path", filepath.Join(b.jdk.Home, "jmods"), "--add-modules", strings.Join(modules, ","), "--output", dir,
		"--strip-java-debug-attributes", "--no-header-files", "--no-man-pages",
		// Debian's modules come with the debugger's view of the machine code, ten times the size of all else.
		"--exclude-files=**.debuginfo",
		// Not compressed: the layer is, better, and classes are loaded faster.
		"--add-options", strings.Join(jvmOptions(), " "),
	}
}

// runtimeKey identifies a runtime with some modules.
func (b *builder) runtimeKey(modules []string) string {
	sum := sha256.Sum256([]byte(strings.Join(append(b.linkArgs(modules, ""), Version, b.jdk.Version, b.bc.TargetInfo.Arch), "\n")))
	return hex.EncodeToString(sum[:])
}

// linkRun is a jlink that runs beside other things.
type linkRun struct {
	modules []string
	dir     string
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
}

// startLink starts to make a runtime, beside the layer that it is for.
func (b *builder) startLink(ctx context.Context, modules []string) *linkRun {
	ctx, cancel := context.WithCancel(ctx)
	r := &linkRun{modules: modules, cancel: cancel, done: make(chan struct{}),
		dir: filepath.Join(b.bc.Layers.Path, runtimeLayer+".new")}
	command := kit.Command{Args: b.linkArgs(modules, r.dir), Dir: os.TempDir(), Env: b.env.With(nil), Out: kit.Out(b.bc.Logger),
		Why: "the modules that the app uses are known"}
	go func() {
		defer close(r.done)
		r.err = command.Run(ctx)
	}()
	return r
}

// wait waits for the runtime.
func (r *linkRun) wait() error {
	<-r.done
	return r.err
}

// stop ends a run that is not needed, or no longer, and removes what it has made. No run is stopped already.
func (r *linkRun) stop() {
	if r == nil {
		return
	}
	r.cancel()
	<-r.done
	_ = os.RemoveAll(r.dir)
}

// linkAhead starts to make the runtime that an app of a framework will most likely need, while the app is being built. An
// app that was built before has its runtime, or one with more modules.
func (b *builder) linkAhead(ctx context.Context, framework []string) error {
	layer, err := b.bc.Layers.Layer(runtimeLayer)
	if err != nil || len(layer.Metadata) > 0 {
		return err
	}
	all, err := readModules(b.jdk.Home)
	if err != nil {
		return err
	}
	modules, err := all.anyway(framework, kit.Fields(b.env[envModules]))
	if err != nil {
		return err
	}
	b.ahead = b.startLink(ctx, modules)
	return nil
}
