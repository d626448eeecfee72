package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/image"
)

// explainCommand gives the reasons of a plan: of a directory's, or of the one that an image was built by.
func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "say why a build decides as it does, or why an image is as it is", ArgsUsage: "[TOPIC] [SRC|IMAGE]",
		Description: `TOPIC is one of
   buildpacks        which buildpacks fit, and which others would
   NAME[.version]    a package: what was asked for, what there was, what was chosen (node, python, jdk …)
   start             the candidates for processes, with evidence
   packages          how the app's own packages are installed, and every package of the stack
   files             which line of which file decided what
   network           the machines that the build asks
   image             what the image consists of
Without a topic it is all of them. Images carry the reasons in the label io.s2i.plan.

A word that is a topic, a file or a local image is taken as the first of these; write ./start for a directory of a
topic's name.

Examples:
   s2i explain
   s2i explain node.version ./src
   s2i explain start registry.example.com/team/app:1`,
		Flags:  planFlags(),
		Action: withTools(explain),
	}
}

// topics are the fixed ones.
func topics() []string {
	return []string{"buildpacks", "start", "packages", "files", "network", "image"}
}

func explain(ctx context.Context, c *cli.Context, t *tools) error {
	if err := argsBetween(c, 0, 2); err != nil {
		return err
	}
	topic, place, err := topicAndPlace(ctx, c, t)
	if err != nil {
		return err
	}
	e := explanation{topic: topic, place: place}
	var problem error
	if isSource(place) {
		e.plan, problem = makePlan(ctx, c, t, place)
	} else {
		e.plan, e.image, problem = planIn(ctx, t, place)
	}
	if e.plan == nil {
		return problem
	}
	s, err := e.sheet()
	if err != nil {
		return errors.Join(err, problem)
	}
	return errors.Join(s.writeTo(c.App.Writer), problem)
}

// topicAndPlace tells the arguments apart.
func topicAndPlace(ctx context.Context, c *cli.Context, t *tools) (topic, place string, err error) {
	args := c.Args().Slice()
	switch len(args) {
	case 0:
		return "", ".", nil
	case 2:
		return strings.TrimSuffix(args[0], ".version"), args[1], nil
	}
	word := args[0]
	_, versioned := strings.CutSuffix(word, ".version")
	switch {
	case slices.Contains(topics(), word), versioned && !exists(word):
		return strings.TrimSuffix(word, ".version"), ".", nil
	case isSource(word), strings.ContainsAny(word, ":/@"):
		return "", word, nil
	}
	ref, err := parseRef(word)
	if err != nil {
		return "", "", err
	}
	if _, err := t.images.Image(ctx, ref, hostTarget()); err == nil {
		return "", word, nil
	}
	return word, ".", nil
}

// isSource tells a source from an image: it is there as a file or directory, or it is fetched.
func isSource(place string) bool {
	ref, err := source.ParseRef(place)
	if err != nil {
		return false
	}
	return ref.Kind != source.Local || exists(ref.Location) || strings.HasPrefix(place, ".") || strings.HasPrefix(place, "/")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// planIn reads the plan that an image carries.
func planIn(ctx context.Context, t *tools, place string) (*create.Plan, *description, error) {
	ref, err := parseRef(place)
	if err != nil {
		return nil, nil, err
	}
	img, err := t.images.Image(ctx, ref, hostTarget())
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil, fmt.Errorf("%s is neither a file or directory here nor a known image: %w", place, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("getting %s: %w", ref, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	label := config.Config.Labels[lifecycle.LabelPlan]
	if label == "" {
		return nil, nil, fmt.Errorf("%s does not say how it was built: it has no label %s (s2i sets it since version 0.3)", ref, lifecycle.LabelPlan)
	}
	plan, err := create.ParsePlan([]byte(label))
	if err != nil {
		return nil, nil, fmt.Errorf("explaining %s: %w", ref, err)
	}
	d, err := describe(ref, img)
	if err != nil {
		return nil, nil, fmt.Errorf("inspecting %s: %w", ref, err)
	}
	return plan, d, nil
}
