package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// benchRegistry compares rebase with crane rebase, and push with skopeo copy. Every round has a repository of its own,
// so that the new base is not in it yet.
func benchRegistry(ctx context.Context, w *world) error {
	crane, err := w.crane(ctx)
	if err != nil {
		return err
	}
	app, err := w.copyApp(ctx, "node-npm-express", "rebase-app")
	if err != nil {
		return err
	}
	oldBase, newBase := w.ref("bench/base:old"), w.ref("bench/base:new")
	extra := filepath.Join(w.dir, "extra.tar")
	setup := []command{
		{args: []string{"tar", "-C", w.root, "-cf", extra, "README.md"}},
		w.ours("build", app, "-t", "rebase-app:1"),
		w.ours("--insecure-registry", w.proxy, "stack", "build", "--image", "run", "--set", "base", "-t", oldBase, "node"),
		{args: []string{crane, "append", "--insecure", "-b", oldBase, "-f", extra, "-t", newBase}},
		w.ours("--insecure-registry", w.proxy, "push", "rebase-app:1", w.ref("bench/app:1")),
	}
	if err := do(ctx, setup...); err != nil {
		return err
	}
	rebases := func(label string, delay time.Duration, goal string) error {
		return w.rebases(ctx, rebaseCase{crane: crane, label: label, delay: delay, goal: goal, oldBase: oldBase, newBase: newBase})
	}
	return inOrder(
		func() error { return rebases("rebase", 0, "<= 0.8, 12 requests") },
		func() error { return rebases("rebase at 20 ms", 20*time.Millisecond, "<= 0.4") },
		func() error {
			return w.pairs(ctx, "push, against skopeo copy", "<= 1.0", 5,
				func(ctx context.Context, i int) (sample, error) {
					return w.counted(ctx, command{args: []string{"skopeo", "copy", "-q", "--dest-tls-verify=false",
						"oci:" + w.store + ":rebase-app:1", "docker://" + w.ref(fmt.Sprintf("push/theirs-%d:1", i))}})
				},
				func(ctx context.Context, i int) (sample, error) {
					return w.counted(ctx, w.ours("--insecure-registry", w.proxy, "push", "rebase-app:1", w.ref(fmt.Sprintf("push/ours-%d:1", i))))
				})
		},
	)
}

type rebaseCase struct {
	crane, label, goal, oldBase, newBase string
	delay                                time.Duration
}

func (w *world) rebases(ctx context.Context, r rebaseCase) error {
	from := w.ref("bench/app:1")
	with := func(to string, c command) (sample, error) {
		if err := do(ctx, command{args: []string{r.crane, "copy", "--insecure", from, to}}); err != nil {
			return sample{}, err
		}
		w.delay.Store(int64(r.delay))
		defer w.delay.Store(0)
		return w.counted(ctx, c)
	}
	return w.pairs(ctx, r.label+", against crane rebase", r.goal, 5,
		func(_ context.Context, i int) (sample, error) {
			to := w.ref(fmt.Sprintf("bench/theirs-%d-%d:1", r.delay, i))
			return with(to, command{args: []string{r.crane, "rebase", "--insecure", to, "--old_base", r.oldBase, "--new_base", r.newBase, "-t", to}})
		},
		func(_ context.Context, i int) (sample, error) {
			to := w.ref(fmt.Sprintf("bench/ours-%d-%d:1", r.delay, i))
			return with(to, w.ours("--insecure-registry", w.proxy, "rebase", to, "--run-image", r.newBase, "--force"))
		})
}
