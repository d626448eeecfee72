package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// benchDockerfile compares builds of Dockerfiles with Debian's buildah, both with runc. Beside every case stands, in
// brackets, what other builders took for the same work on two cores, as noted when they were studied; they do not run
// here. S2I_BENCH_DOCKERFILE names one of the cases.
func benchDockerfile(ctx context.Context, w *world) error {
	d, err := newDockerfiles(ctx, w)
	if err != nil {
		return err
	}
	defer d.theirs.close()
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{{"stages", d.stages}, {"copied", d.copied}, {"written", d.written}, {"trivial", d.trivial}, {"large", d.large}} {
		if only := os.Getenv("S2I_BENCH_DOCKERFILE"); only != "" && only != c.name {
			continue
		}
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dockerfiles are what the cases have in common.
type dockerfiles struct {
	*world
	theirs *buildah
	// base is an OCI image layout with Debian's busybox under all its names.
	base string
}

func newDockerfiles(ctx context.Context, w *world) (*dockerfiles, error) {
	b, err := newBuildah(w.dir)
	if err != nil {
		return nil, err
	}
	d := &dockerfiles{world: w, theirs: b, base: filepath.Join(w.dir, "dockerfile-base")}
	dir, err := d.context("base", "FROM store:busybox-static:1\nUSER root\n"+
		"RUN [\"/usr/bin/busybox\", \"--install\", \"-s\", \"/usr/bin\"]\n")
	if err != nil {
		return nil, err
	}
	return d, do(ctx, w.ours("stack", "build", "--set", "static", "-t", "busybox-static:1", "busybox-static"),
		w.ours("build", "--strategy", "dockerfile", dir, "-t", "oci:"+d.base+":1"))
}

// context makes a directory with a Dockerfile. Each builder has its own name for the image that FROM base means.
func (d *dockerfiles) context(name, text string) (string, error) {
	dir := filepath.Join(d.dir, "dockerfile-"+name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // processes inside read it
		return "", err
	}
	theirs := strings.ReplaceAll(text, "FROM base", "FROM oci:"+d.base+":1")
	if err := os.WriteFile(dir+".buildah", []byte(theirs), 0o600); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600)
}

// build is a build by s2i with a store.
func (d *dockerfiles) build(store, dir, tag string, args ...string) command {
	return command{args: append([]string{d.s2i, "-q", "--store", filepath.Join(d.dir, store), "build", "--strategy", "dockerfile",
		"--runtime", "runc", "--build-context", "base=oci-layout://" + d.base + ":1", dir, "-t", tag}, args...)}
}

// stages is a build of two stages that work for two seconds each, and a third that takes what they made and 5,000
// files of the context.
func (d *dockerfiles) stages(ctx context.Context) error {
	const stage = "RUN sleep 2 && head -c 10485760 /dev/urandom >/out\n"
	dir, err := d.context("stages", "FROM base AS a\n"+stage+"FROM base AS b\n"+stage+
		"FROM base\nCOPY --from=a /out /a\nCOPY --from=b /out /b\nWORKDIR /app\nCOPY . .\n")
	if err != nil {
		return err
	}
	if err := sources(filepath.Join(dir, "src"), 50, 100, 8_000); err != nil {
		return err
	}
	theirs := func(storage string) measured {
		return always(d.theirs.bud(storage, dir, "app", "--layers", "--jobs", "2"))
	}
	changed := func(then measured) measured {
		return func(ctx context.Context, i int) (sample, error) {
			if err := touch(filepath.Join(dir, "src", "d0", "f0.js")); err != nil {
				return sample{}, err
			}
			return then(ctx, i)
		}
	}
	return inOrder(
		func() error {
			return d.pairs(ctx, "Dockerfile, 3 stages, cold", "<= 0.9 [BuildKit 3.81, buildah 4.78, kaniko 5.86]", 3,
				func(ctx context.Context, i int) (sample, error) { return theirs(fmt.Sprintf("cold-%d", i))(ctx, i) },
				func(ctx context.Context, i int) (sample, error) {
					return d.build(fmt.Sprintf("stages-%d", i), dir, "app:1").run(ctx)
				})
		},
		func() error {
			return d.pairs(ctx, "Dockerfile, 3 stages, unchanged", "<= 0.10 s [BuildKit 0.17, buildah 1.30, kaniko 1.38]", 9,
				theirs("cold-0"), always(d.build("stages-0", dir, "app:1")))
		},
		func() error {
			return d.pairs(ctx, "Dockerfile, 3 stages, one file", "<= 0.5 [BuildKit 1.37, buildah 2.09, kaniko 1.63]", 5,
				changed(theirs("cold-0")), changed(always(d.build("stages-0", dir, "app:1"))))
		},
	)
}

// copied is the copy and export of 200 MB that do not compress, and of 200 MB of text in 20,000 files.
func (d *dockerfiles) copied(ctx context.Context) error {
	random, err := d.context("random", "FROM base\nCOPY . /data\n")
	if err != nil {
		return err
	}
	for i := range 4 {
		if err := noise(filepath.Join(random, fmt.Sprintf("f%d", i)), 50); err != nil {
			return err
		}
	}
	text, err := d.context("text", "FROM base\nCOPY . /data\n")
	if err != nil {
		return err
	}
	if err := sources(text, 200, 100, 20_000); err != nil {
		return err
	}
	both := func(name, dir, goal string) error {
		return d.pairs(ctx, name, goal, 3, d.theirs.exported(dir, "copied"), func(ctx context.Context, i int) (sample, error) {
			store := fmt.Sprintf("%s-%d", filepath.Base(dir), i)
			return d.build(store, dir, "oci:"+filepath.Join(d.dir, store+"-out")+":1").run(ctx)
		})
	}
	return inOrder(
		func() error {
			return both("COPY and export, 200 MB random", random, "<= 0.9 [BuildKit 4.31, buildah 3.44, kaniko 2.53 with 559 MB]")
		},
		func() error {
			return both("COPY and export, 20,000 files", text, "<= 0.9 [BuildKit 9.54, buildah 10.2, kaniko 4.45]")
		},
	)
}

// written is a RUN that writes 20,000 files.
func (d *dockerfiles) written(ctx context.Context) error {
	const script = `RUN i=0; while [ $i -lt 200 ]; do mkdir -p /data/$i; j=0; while [ $j -lt 100 ]; do ` +
		`echo "$i $j" >/data/$i/$j; j=$((j+1)); done; i=$((i+1)); done`
	dir, err := d.context("written", "FROM base\n"+script+"\n")
	if err != nil {
		return err
	}
	return d.pairs(ctx, "RUN that writes 20,000 files", "<= 0.9", 3,
		func(ctx context.Context, i int) (sample, error) {
			return d.theirs.bud(fmt.Sprintf("written-%d", i), dir, "written", "--layers").run(ctx)
		},
		func(ctx context.Context, i int) (sample, error) {
			return d.build(fmt.Sprintf("written-%d", i), dir, "written:1").run(ctx)
		})
}

// trivial is what a RUN step costs that does nothing, against runc with the same file tree.
func (d *dockerfiles) trivial(ctx context.Context) error {
	const steps = 10
	dir, err := d.context("trivial", "FROM base\nARG round\n"+strings.Repeat("RUN [\"/usr/bin/true\"]\n", steps))
	if err != nil {
		return err
	}
	one, err := d.context("trivial-one", "FROM base\nARG round\nRUN [\"/usr/bin/true\"]\n")
	if err != nil {
		return err
	}
	root, bundle := filepath.Join(d.dir, "trivial-root"), filepath.Join(d.dir, "trivial-bundle")
	if err := do(ctx, d.build("trivial", one, "one:1"), command{args: []string{"umoci", "unpack", "--image", d.base + ":1", root}}); err != nil {
		return err
	}
	if err := runcBundle(ctx, bundle, filepath.Join(root, "rootfs")); err != nil {
		return err
	}
	runs := func(n int) measured {
		script := fmt.Sprintf(`for i in $(seq %d); do runc --root "$1" run -b "$2" trivial-$i || exit 1; done`, n)
		return always(command{args: []string{"bash", "-c", script, "bash", filepath.Join(d.dir, "trivial-runc"), bundle}})
	}
	ours := func(dir string) measured {
		return func(ctx context.Context, i int) (sample, error) {
			return d.build("trivial", dir, "trivial:1", "--build-arg", fmt.Sprintf("round=%d", i)).run(ctx)
		}
	}
	return inOrder(
		func() error {
			return d.pairs(ctx, "one trivial RUN, against runc", "<= floor + 0.06 s", 9, runs(1), ours(one))
		},
		func() error {
			return d.pairs(ctx, "10 trivial RUN steps, against runc", "<= floor + 0.6 s", 5, runs(steps), ours(dir))
		},
		func() error {
			return d.pairs(ctx, "10 trivial RUN steps, against buildah", "", 3,
				func(ctx context.Context, i int) (sample, error) {
					return d.theirs.bud("trivial", dir, "trivial", "--layers", "--build-arg", fmt.Sprintf("round=%d", i)).run(ctx)
				}, func(ctx context.Context, i int) (sample, error) { return ours(dir)(ctx, i+100) })
		},
	)
}

// large are layers of 1.5 GB, for the memory that they take.
func (d *dockerfiles) large(ctx context.Context) error {
	copied, err := d.context("large", "FROM base\nCOPY large /\n")
	if err != nil {
		return err
	}
	if err := noise(filepath.Join(copied, "large"), 1500); err != nil {
		return err
	}
	written, err := d.context("large-run", "FROM base\nRUN head -c 1572864000 /dev/urandom >/large\n")
	if err != nil {
		return err
	}
	for _, dir := range []string{copied, written} {
		name := filepath.Base(dir)
		err := d.pairs(ctx, strings.TrimPrefix(name, "dockerfile-")+", one layer of 1.5 GB", "<= 150 MB", 1, d.theirs.exported(dir, name),
			func(ctx context.Context, _ int) (sample, error) {
				return d.build(name, dir, "oci:"+filepath.Join(d.dir, name+"-out")+":1").run(ctx)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// noise writes a file of random megabytes.
func noise(file string, size int) error {
	random := rand.NewChaCha8([32]byte{byte(len(file)), byte(size)})
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for range size {
		_, _ = random.Read(buf) // it never fails
		if _, err := f.Write(buf); err != nil {
			return err
		}
	}
	return f.Close()
}
