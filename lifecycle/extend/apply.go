package extend

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
)

// Apply builds the Dockerfiles on an image, in order. In options are the means of the build; what to build, and the
// arguments, come from the Dockerfiles. Whether the result can be rebased stands in its label io.buildpacks.rebasable:
// "true" only when every Dockerfile sets it, and the image itself does not forbid it.
func Apply(ctx context.Context, image v1.Image, list []*Dockerfile, o dockerfile.Options) (v1.Image, error) {
	if len(list) == 0 {
		return image, nil
	}
	buildID, err := newBuildID()
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image to extend: %w", err)
	}
	rebasable := config.Config.Labels[lifecycle.LabelRebasable] != "false"
	for _, d := range list {
		for _, text := range d.Unusual() {
			progress.Warn(ctx, "%s is not meant for Dockerfiles of extensions", text)
		}
		var says bool
		if image, says, err = d.apply(ctx, image, buildID, o); err != nil {
			return nil, fmt.Errorf("extending by %s: %w", d.Extension, err)
		}
		rebasable = rebasable && says
	}
	return labelled(image, map[string]string{lifecycle.LabelRebasable: fmt.Sprint(rebasable)})
}

// apply builds one Dockerfile, and tells whether it says that its layers can be rebased.
func (d *Dockerfile) apply(ctx context.Context, image v1.Image, buildID string, o dockerfile.Options) (v1.Image, bool, error) {
	image, err := labelled(image, map[string]string{lifecycle.LabelRebasable: ""})
	if err != nil {
		return nil, false, err
	}
	before, err := image.ConfigFile()
	if err != nil {
		return nil, false, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, false, err
	}
	uid, gid := userOf(before.Config.User)
	name := "localhost/s2i/extended@" + digest.String()
	o.File, o.Generated = d.file, true
	args := map[string]string{baseArg: name, "build_id": buildID, "user_id": uid, "group_id": gid}
	maps.Copy(args, d.Args)
	o.Args = d.declared(args)
	o.Contexts = map[string]dockerfile.NamedContext{name: {Opened: image}}
	if d.Switch != "" {
		o.Contexts[d.Switch] = dockerfile.NamedContext{Opened: image}
	}
	if o.Context, err = dockerfile.OpenContext(d.Context, nil, o.Store); err != nil {
		return nil, false, err
	}
	defer o.Context.Close()
	result, err := dockerfile.Build(ctx, o)
	if err != nil {
		return nil, false, err
	}
	after, err := result.Image.ConfigFile()
	if err != nil {
		return nil, false, err
	}
	// What the engine says about the base is about this step, not about the build.
	restored := map[string]string{}
	for _, name := range []string{lifecycle.LabelLayersMetadata, lifecycle.LabelBaseConfig} {
		restored[name] = before.Config.Labels[name]
	}
	image, err = labelled(result.Image, restored)
	return image, after.Config.Labels[lifecycle.LabelRebasable] == "true", err
}

// declared leaves those arguments that the Dockerfile asks for.
func (d *Dockerfile) declared(args map[string]string) map[string]string {
	out := map[string]string{}
	take := func(list []instructions.KeyValuePairOptional) {
		for _, kv := range list {
			if value, ok := args[kv.Key]; ok {
				out[kv.Key] = value
			}
		}
	}
	for _, a := range d.file.Args {
		take(a.Args)
	}
	for _, c := range d.file.Stages[0].Commands {
		if a, ok := c.(*instructions.ArgCommand); ok {
			take(a.Args)
		}
	}
	return out
}

// labelled sets labels of an image; empty ones are taken away.
func labelled(img v1.Image, labels map[string]string) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the image to extend: %w", err)
	}
	file = file.DeepCopy()
	for name, value := range labels {
		if value == "" {
			delete(file.Config.Labels, name)
			continue
		}
		if file.Config.Labels == nil {
			file.Config.Labels = map[string]string{}
		}
		file.Config.Labels[name] = value
	}
	return image.Reconfigure(img, file, img)
}

// CheckUser refuses a run image that starts as root, as the specification wants it of an extended one.
func CheckUser(image v1.Image) error {
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the configuration of the extended run image: %w", err)
	}
	if uid, _ := userOf(config.Config.User); uid == "0" || uid == "root" {
		return fmt.Errorf("the extended run image starts as root: end the run.Dockerfile with USER ${user_id}:${group_id}")
	}
	return nil
}

// userOf splits the user of an image's configuration; without one it is root.
func userOf(user string) (uid, gid string) {
	uid, gid, _ = strings.Cut(user, ":")
	if uid == "" {
		uid = "0"
	}
	if gid == "" {
		gid = "0"
	}
	return uid, gid
}

// newBuildID makes a random UUID (RFC 9562, version 4).
func newBuildID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("making an ID of the build: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
