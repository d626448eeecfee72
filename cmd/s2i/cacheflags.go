package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// cacheFlags are about the layers of Dockerfile builds, and caches of them that are kept elsewhere, in docker's words and
// in Kaniko's.
func cacheFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "cache-from", Usage: "take layers of the Dockerfile from a `CACHE`: an image, or type=registry,ref=REF or type=local,src=DIR; " +
			"who can write there decides what is built; repeatable"},
		&cli.StringSliceFlag{Name: "cache-to", Usage: "write a `CACHE`: type=registry,ref=REF, type=local,dest=DIR (both with mode=max for all stages, compression=zstd, " +
			"ignore-error=true) or type=inline; repeatable"},
		&cli.BoolFlag{Name: "squash", Usage: "make one layer of those that the Dockerfile adds to its base"},
		&cli.DurationFlag{Name: "cache-ttl", Usage: "make layers anew that are older than `TIME`, such as 336h"},
		&cli.BoolFlag{Name: "cache", Value: true, Usage: "Kaniko's: =false is --no-cache; =true without --cache-repo keeps a cache beside the first tag, in REPO/cache"},
		&cli.StringFlag{Name: "cache-repo", Usage: "Kaniko's: the `REPOSITORY` of a registry (or oci:DIR) that is --cache-from and --cache-to with mode=max"},
		&cli.StringFlag{Name: "cache-dir", Usage: "Kaniko's: the same as --cache-repo for a `DIR`; one that cannot be written is only read"},
		&cli.BoolFlag{Name: "no-push-cache", Usage: "Kaniko's: only read --cache-repo and --cache-dir"},
		&cli.BoolFlag{Name: "cache-run-layers", Value: true, Usage: "Kaniko's: =false runs every RUN anew"},
		&cli.BoolFlag{Name: "cache-copy-layers", Usage: "Kaniko's: accepted; layers of COPY and ADD are always cached"},
	}
}

// cacheSink is a place that a cache is written to.
type cacheSink struct {
	ref         image.Ref
	ignoreError bool
}

// cacheOptions reads the flags about caches into the options of a build, and says where its caches go.
func cacheOptions(c *cli.Context, t *tools, o *dockerfile.Options, tags []image.Ref) ([]cacheSink, error) {
	o.CacheTTL = c.Duration("cache-ttl")
	o.NoCache = o.NoCache || !c.Bool("cache")
	o.Squash = c.Bool("squash")
	o.NoCacheRuns = !c.Bool("cache-run-layers")
	o.Whole = slices.ContainsFunc(tags, func(r image.Ref) bool { return r.Kind == image.Local })
	from, to := c.StringSlice("cache-from"), c.StringSlice("cache-to")
	for _, spec := range kanikoCaches(c, tags) {
		from = append(from, spec)
		if !c.Bool("no-push-cache") {
			to = append(to, spec+",mode=max,ignore-error="+strconv.FormatBool(strings.HasPrefix(spec, "type=local")))
		}
	}
	for _, spec := range from {
		ref, err := cacheSource(t, spec)
		if err != nil {
			return nil, usageError("--cache-from %s: %w", spec, err)
		}
		o.CacheFrom = append(o.CacheFrom, ref)
	}
	var sinks []cacheSink
	for _, spec := range to {
		s, cacheTo, err := readCacheTo(spec)
		switch {
		case err != nil:
			return nil, usageError("--cache-to %s: %w", spec, err)
		case s == nil:
			o.InlineCache = true
		default:
			sinks, o.CacheTo = append(sinks, *s), append(o.CacheTo, cacheTo)
		}
	}
	return sinks, nil
}

// kanikoCaches says in docker's words which caches Kaniko's flags mean. In a repository that many builds share, each
// has a tag of its own.
func kanikoCaches(c *cli.Context, tags []image.Ref) []string {
	tag := "s2i"
	if len(tags) > 0 {
		sum := sha256.Sum256([]byte(tags[0].Place() + "\n" + c.String("target")))
		tag += "-" + hex.EncodeToString(sum[:6])
	}
	var specs []string
	repo := c.String("cache-repo")
	if repo == "" && c.IsSet("cache") && c.Bool("cache") && len(tags) > 0 && tags[0].Kind == image.Registry {
		repo = tags[0].Place() + "/cache"
	}
	if dir, ok := strings.CutPrefix(repo, "oci:"); ok {
		specs = append(specs, "type=local,dest="+dir+",tag="+tag)
	} else if repo != "" {
		specs = append(specs, "type=registry,ref="+repo+":"+tag)
	}
	if dir := c.String("cache-dir"); dir != "" {
		specs = append(specs, "type=local,dest="+dir+",tag="+tag)
	}
	return specs
}

// cacheSpec reads TYPE and attributes as docker buildx writes them; what is no such list is the name of an image.
func cacheSpec(spec string) (kind string, attributes map[string]string, err error) {
	if !strings.Contains(spec, "=") {
		return "", map[string]string{"ref": spec}, nil
	}
	attributes = map[string]string{}
	for pair := range strings.SplitSeq(spec, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || key == "" || value == "" {
			return "", nil, fmt.Errorf("%q is not KEY=VALUE", pair)
		}
		attributes[key] = value
	}
	kind = cmp.Or(attributes["type"], "registry")
	delete(attributes, "type")
	if !slices.Contains([]string{"registry", "local", "inline"}, kind) {
		return "", nil, fmt.Errorf("caches of the type %s are not supported; the types are registry, local and inline", kind)
	}
	return kind, attributes, nil
}

// take removes an attribute and gives its value.
func take(attributes map[string]string, names ...string) (value string) {
	for _, n := range names {
		value = cmp.Or(value, attributes[n])
		delete(attributes, n)
	}
	return value
}

// onlyKnown refuses what was not taken.
func onlyKnown(attributes map[string]string) error {
	if left := slices.Sorted(maps.Keys(attributes)); len(left) > 0 {
		return fmt.Errorf("%s is not known here", strings.Join(left, ", "))
	}
	return nil
}

func cacheSource(t *tools, spec string) (image.Ref, error) {
	kind, attributes, err := cacheSpec(spec)
	if err != nil {
		return image.Ref{}, err
	}
	var ref image.Ref
	switch kind {
	case "inline":
		return ref, fmt.Errorf("a cache in an image is named by the image: --cache-from REF")
	case "local":
		ref, err = localCache(attributes)
	default:
		ref, err = cacheImage(take(attributes, "ref"))
		if ref.Kind == image.Local && kind == "" {
			if _, missing := t.store.Resolve(ref.Name); missing == nil {
				return ref, nil
			}
		}
		if err == nil && ref.Kind == image.Local {
			ref, err = hubImage(ref.Name)
		}
	}
	if err != nil {
		return ref, err
	}
	return ref, onlyKnown(attributes)
}

func cacheImage(text string) (image.Ref, error) {
	if text == "" {
		return image.Ref{}, fmt.Errorf("ref=REF is missing")
	}
	return image.Parse(text)
}

// hubImage gives a name without a registry the one that docker gives it.
func hubImage(text string) (image.Ref, error) {
	ref, err := name.ParseReference(text)
	if err != nil {
		return image.Ref{}, err
	}
	return image.Ref{Kind: image.Registry, Name: ref.Name()}, nil
}

func localCache(attributes map[string]string) (image.Ref, error) {
	dir := take(attributes, "src", "dest")
	if dir == "" {
		return image.Ref{}, fmt.Errorf("src=DIR or dest=DIR is missing")
	}
	return image.Ref{Kind: image.OCILayout, Path: dir, Name: cmp.Or(take(attributes, "tag"), "latest")}, nil
}

// readCacheTo reads one --cache-to; nil is a cache in the image.
func readCacheTo(spec string) (*cacheSink, dockerfile.CacheTo, error) {
	var to dockerfile.CacheTo
	kind, attributes, err := cacheSpec(spec)
	if err != nil {
		return nil, to, err
	}
	s := &cacheSink{}
	switch kind {
	case "inline":
		return nil, to, onlyKnown(attributes)
	case "local":
		s.ref, err = localCache(attributes)
	default:
		if s.ref, err = cacheImage(take(attributes, "ref")); err == nil && s.ref.Kind == image.Local {
			s.ref, err = hubImage(s.ref.Name)
		}
	}
	if err != nil {
		return nil, to, err
	}
	to, s.ignoreError, err = cacheContent(attributes)
	if err == nil {
		err = onlyKnown(attributes)
	}
	return s, to, err
}

// cacheContent reads what a cache is to hold, and whether it matters that it is written.
func cacheContent(attributes map[string]string) (to dockerfile.CacheTo, ignoreError bool, err error) {
	switch mode := take(attributes, "mode"); mode {
	case "", "min":
	case "max":
		to.Max = true
	default:
		return to, false, fmt.Errorf("mode=%s is neither min nor max", mode)
	}
	if to.Compression, err = cacheCompression(take(attributes, "compression")); err != nil {
		return to, false, err
	}
	if ignoreError, err = strconv.ParseBool(cmp.Or(take(attributes, "ignore-error"), "false")); err != nil {
		return to, false, fmt.Errorf("ignore-error is neither true nor false")
	}
	_ = take(attributes, "force-compression") // it always is
	for _, key := range []string{"image-manifest", "oci-mediatypes"} {
		if v := take(attributes, key); v != "" && v != "true" {
			return to, false, fmt.Errorf("%s=%s is not supported: a cache is an OCI image", key, v)
		}
	}
	return to, ignoreError, nil
}

func cacheCompression(text string) (store.Compression, error) {
	switch text {
	case "", "gzip", "zstd":
		return store.Compression(text), nil
	case "uncompressed":
		return store.None, nil
	default:
		return "", fmt.Errorf("compression=%s is not supported; there are gzip, zstd and uncompressed", text)
	}
}

// checkCaches finds out before the build whether its caches can be written.
func checkCaches(ctx context.Context, t *tools, sinks []cacheSink) error {
	for _, s := range sinks {
		if err := t.images.CheckWrite(ctx, s.ref); err != nil && !s.ignoreError {
			return lifecycle.WithCode(lifecycle.ExitAnalyze, err)
		}
	}
	return nil
}

// publishCaches writes the caches of a build.
func publishCaches(ctx context.Context, t *tools, sinks []cacheSink, caches []v1.Image) error {
	for i, s := range sinks {
		if caches[i] == nil {
			progress.Note(ctx, "there is nothing to write to the cache %s: the image has no layers of its own", s.ref)
			continue
		}
		err := t.images.Replace(ctx, caches[i], s.ref)
		if err != nil && s.ignoreError {
			progress.Warn(ctx, "the cache was not written: %v", err)
		} else if err != nil {
			return lifecycle.WithCode(lifecycle.ExitExport, fmt.Errorf("writing the cache: %w", err))
		}
	}
	return nil
}
