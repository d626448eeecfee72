package create

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/store"
)

// recordBuild is the kind of the records that map a build's key to the image it gave.
const recordBuild = "build"

// inputs is everything that decides the bytes of the result.
type inputs struct {
	Source, Builder, Stack string
	Target                 lifecycle.Target
	Env                    map[string]string
	Secrets                []string
	Packages               []lifecycle.Require
	DefaultProcess, Start  string
	Labels                 map[string]string
	Created                int64
	Compression            store.Compression
	Order                  lifecycle.Order
	Project                lifecycle.ProjectMetadata
}

// key names the result by its inputs. It is empty when no result may be reused: third-party buildpacks may fetch what
// they like, so what they gave before says nothing about now.
func (o Options) key(ctx context.Context) (string, error) {
	if slices.ContainsFunc(o.Builder.Buildpacks, Buildpack.thirdParty) {
		return "", nil
	}
	digest, err := o.Tree.Digest(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the source: %w", err)
	}
	a := o.App
	data, err := json.Marshal(inputs{
		Source: digest, Builder: o.Builder.Identity, Stack: o.Stack.Identity(), Target: a.Target, Env: a.Env,
		Secrets: slices.Sorted(maps.Keys(a.Secrets)), Packages: a.Packages, DefaultProcess: a.DefaultProcess, Start: a.Start,
		Labels: a.Labels, Created: a.Created.Unix(), Compression: a.Compression, Order: o.Builder.Order,
		Project: o.Tree.Project,
	})
	if err != nil {
		return "", fmt.Errorf("describing the build's inputs: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// cacheKey names the app's cache: the repository it is published to, or the directory it is built from.
func (o Options) cacheKey() string {
	name := o.Tree.Dir
	if len(o.Refs) > 0 {
		name = o.Refs[0].Place()
	}
	sum := sha256.Sum256([]byte(name + "\n" + o.App.Target.String()))
	return hex.EncodeToString(sum[:16])
}

// known gives the result of an earlier build with the same key, or nil. A record whose image is gone is no result.
func (o Options) known(ctx context.Context, key string) (*built, error) {
	if key == "" || o.NoCache || o.WriteLock { // a lock is only known once it is resolved
		return nil, nil
	}
	var kept v1.Descriptor
	if err := o.Store.Record(recordBuild, key, &kept); errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking up an earlier result: %w", err)
	}
	img, err := o.Images.Kept(ctx, kept)
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the image of an earlier result: %w", err)
	}
	return &built{image: img, known: true}, nil
}

// remember keeps the image in the store, under no name of its own, and records that key gave it.
func (b *built) remember(ctx context.Context) error {
	kept, err := b.Images.Keep(ctx, b.image)
	if err != nil {
		return err
	}
	return b.Store.SetRecord(recordBuild, b.key, kept)
}
