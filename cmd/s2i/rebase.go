package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/rebase"
	"s2i/stacks"
)

// rebaseCommand brings fixes of the base to images that are built already.
func rebaseCommand() *cli.Command {
	return &cli.Command{
		Name: "rebase", Usage: "swap the base layers of images, without a rebuild", ArgsUsage: "REF…",
		Description: `Without --run-image the base is composed anew, from the same packages as before and the current lock; a base that
was an image is the newest one of the name that the app records.
No layer of the app is read or moved. A base that would break the app is refused, with the reasons.

Examples:
   s2i rebase app:1
   s2i rebase registry.example.com/team/app:1 --run-image registry.example.com/base/run:2
   s2i rebase app:1 --dry-run`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run-image", Usage: "the new base, `REF`"},
			&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"}, Usage: "where the result goes, `REF` (default: the image itself); repeatable"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would change, and change nothing"},
			&cli.BoolFlag{Name: "force", Usage: "rebase although something speaks against it"},
			&cli.StringFlag{Name: "stack", Usage: "compose the base from this stack instead of the one the image records"},
			&cli.BoolFlag{Name: "locked", Usage: "refuse to use a package that is not exactly as the lock says", EnvVars: []string{"S2I_LOCKED"}},
		},
		Action: withTools(rebaseImages),
	}
}

// rebaseImages rebases one image after the other.
func rebaseImages(ctx context.Context, c *cli.Context, t *tools) error {
	if c.NArg() == 0 {
		return misused(c, "rebase needs the name of an image")
	}
	to, err := parseRefs(c.StringSlice("tag"))
	if err != nil {
		return err
	}
	if c.NArg() > 1 && len(to) > 0 {
		return misused(c, "--tag names one result; rebase one image at a time with it")
	}
	apps, err := parseRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	for _, app := range apps {
		req := rebase.Request{App: app, Run: c.String("run-image"), To: to, Force: c.Bool("force"), DryRun: c.Bool("dry-run")}
		if req.Run == "" {
			req.Bases = func(ctx context.Context, app v1.Image, platform lifecycle.Target) (v1.Image, rebase.Options, error) {
				return recompose(ctx, c, t, app, platform)
			}
		}
		_, err := rebased(ctx, c, t.images, req)
		if errors.Is(err, errNotComposed) { // then the base has a name, under which there may be a newer one
			req.Bases = nil
			_, err = rebased(ctx, c, t.images, req)
		}
		if err != nil {
			return lifecycle.WithCode(lifecycle.ExitRebase, err)
		}
	}
	return nil
}

// rebased does one rebase, says on stderr what it changes, and on stdout where the result is.
func rebased(ctx context.Context, c *cli.Context, client *image.Client, req rebase.Request) (*rebase.Result, error) {
	result, err := rebase.Ref(ctx, client, req)
	if result == nil {
		return nil, err
	}
	for _, r := range result.Reports {
		err = errors.Join(err, printReport(c.App.ErrWriter, r))
	}
	if err != nil {
		return nil, err
	}
	return result, printPublished(c, result.Published)
}

// errNotComposed is about an image whose base was not composed here.
var errNotComposed = errors.New("the image does not say which packages its base has")

// recompose makes the base again from the packages that the app records, with the current lock.
func recompose(
	ctx context.Context, c *cli.Context, t *tools, app v1.Image, platform lifecycle.Target,
) (run v1.Image, o rebase.Options, err error) {
	config, err := app.ConfigFile()
	if err != nil {
		return nil, o, err
	}
	recorded, err := stacks.ReadContents(config.Config.Labels)
	if err != nil {
		return nil, o, err
	}
	if recorded == nil || !onComposed(config) {
		return nil, o, errNotComposed
	}
	name := recorded.Stack
	if c.IsSet("stack") {
		name = c.String("stack")
	}
	s, err := loadStack(c, t, name)
	if err != nil {
		return nil, o, err
	}
	if run, o.Reference, err = s.run(ctx, recorded.Request(platform)); err != nil {
		return nil, o, err
	}
	return run, o, printPackages(c.App.ErrWriter, recorded, run)
}

// onComposed tells whether an image stands on a base that was composed here, with nothing in between: one that has a name
// is exchanged for the newest of that name, and what a Dockerfile added to a composed one nobody else can add again.
func onComposed(config *v1.ConfigFile) bool {
	var meta lifecycle.LayersMetadata
	var base v1.Config
	labels := config.Config.Labels
	if json.Unmarshal([]byte(labels[lifecycle.LabelLayersMetadata]), &meta) != nil ||
		json.Unmarshal([]byte(labels[lifecycle.LabelBaseConfig]), &base) != nil {
		return true
	}
	if strings.HasPrefix(meta.RunImage.Reference, composedHost) {
		return true
	}
	return meta.RunImage.Image == "" && !strings.Contains(meta.RunImage.Reference, "@") && base.Labels[lifecycle.LabelLayersMetadata] == ""
}

// printPackages says which packages the new base has in other versions.
func printPackages(w io.Writer, recorded *stacks.Contents, run v1.Image) error {
	config, err := run.ConfigFile()
	if err != nil {
		return err
	}
	now, err := stacks.ReadContents(config.Config.Labels)
	if err != nil || now == nil {
		return err
	}
	for _, p := range now.Packages {
		i := slices.IndexFunc(recorded.Packages, func(old stacks.Content) bool { return old.Name == p.Name })
		if i >= 0 && recorded.Packages[i].Version != p.Version {
			if _, err := fmt.Fprintf(w, "%s %s → %s\n", p.Name, recorded.Packages[i].Version, p.Version); err != nil {
				return err
			}
		}
	}
	return nil
}

// printReport says what a rebase does, or would do.
func printReport(w io.Writer, r *rebase.Report) error {
	if r == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d base layers → %d, %d app layers stay\n  from %s\n  to   %s\n",
		r.Platform, r.Removed, r.Added, r.Kept, r.From, r.To)
	for _, change := range r.Changes {
		fmt.Fprintf(&b, "  %s\n", change)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(&b, "  ! %s: %s\n", problem.Check, problem.Reason)
	}
	for _, unchecked := range r.Unchecked {
		fmt.Fprintf(&b, "  ? not checked: %s\n", unchecked)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
