package dockerfile

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"s2i/lifecycle/archive"
)

const epochArg = "SOURCE_DATE_EPOCH"

// epoch takes the image's time of creation from the argument for it, unless the caller has said one. Instructions see the
// seconds, also where the argument names what they are taken from.
func (b *builder) epoch(ctx context.Context) error {
	declared, isDeclared := b.args.Get(epochArg)
	given, isGiven := b.Args[epochArg]
	value := cmp.Or(given, declared)
	if value == "" {
		return nil
	}
	made, err := b.madeAt(ctx, value)
	if err != nil {
		return fmt.Errorf("%s: reading %s=%s: %w", b.File.Name, epochArg, value, err)
	}
	seconds := ""
	if !made.IsZero() {
		seconds = strconv.FormatInt(made.Unix(), 10)
	}
	if isDeclared {
		b.args.set(epochArg, seconds)
	}
	if isGiven {
		b.Args = maps.Clone(b.Args)
		b.Args[epochArg] = seconds
	}
	if b.Created.IsZero() && !made.IsZero() {
		b.Created = made.UTC()
	}
	return nil
}

// madeAt gives the time that a value of SOURCE_DATE_EPOCH means: seconds since 1970, or when the context was made, a
// named one, or what a stage downloads. It is zero where nothing tells, as of a directory of this machine.
func (b *builder) madeAt(ctx context.Context, value string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	if value == "context" {
		return b.Context.Made, nil
	}
	if c, ok := b.Contexts[value]; ok {
		if c.Dir == nil {
			return time.Time{}, errors.New("that context is an image, and only directories, archives and repositories have a time")
		}
		return c.Dir.Made, nil
	}
	i := slices.IndexFunc(b.File.Stages, func(s instructions.Stage) bool { return strings.EqualFold(s.Name, value) })
	if i < 0 {
		return time.Time{}, errors.New("it is neither seconds since 1970, nor context, nor the name of a context or stage")
	}
	c, err := b.onlyDownload(&b.File.Stages[i])
	if err != nil {
		return time.Time{}, located(b.File.Name, err, b.File.Stages[i].Location)
	}
	return b.downloadMade(ctx, c)
}

// onlyDownload gives the one ADD of a stage that does nothing else, with its arguments put in.
func (b *builder) onlyDownload(s *instructions.Stage) (*instructions.AddCommand, error) {
	const rule = "the stage that it names is to be FROM scratch with one ADD of a URL or git repository, and ARGs"
	lex, args := shell.NewLex(b.File.Escape), b.args
	args.set(epochArg, "")
	if base, _, err := lex.ProcessWord(s.BaseName, args); err != nil || base != "scratch" {
		return nil, errors.Join(errors.New(rule+", and not FROM "+s.BaseName), err)
	}
	var found *instructions.AddCommand
	for _, command := range s.Commands {
		switch c := command.(type) {
		case *instructions.ArgCommand:
			if err := b.declare(&args, c, lex); err != nil {
				return nil, err
			}
		case *instructions.AddCommand:
			if found != nil || len(c.SourcePaths) != 1 || len(c.SourceContents) > 0 {
				return nil, errors.New(rule)
			}
			one := *c
			src, _, err := lex.ProcessWord(c.SourcePaths[0], args)
			if err != nil {
				return nil, err
			}
			if one.Checksum, _, err = lex.ProcessWord(c.Checksum, args); err != nil {
				return nil, err
			}
			one.SourcePaths = []string{src}
			found = &one
		default:
			return nil, fmt.Errorf("%s, without %s", rule, command.Name())
		}
	}
	if found == nil || kindOf(found.SourcePaths[0]) == local {
		return nil, errors.New(rule)
	}
	return found, nil
}

// downloadMade tells when what an ADD downloads was made: its commit, or what the server says, or the newest file of an
// archive.
func (b *builder) downloadMade(ctx context.Context, c *instructions.AddCommand) (time.Time, error) {
	src := c.SourcePaths[0]
	if kindOf(src) == gitRepository {
		if b.Git == nil {
			return time.Time{}, errors.New("git repositories cannot be fetched here")
		}
		at, release, err := b.Git.CheckOut(ctx, src, false)
		if err != nil {
			return time.Time{}, err
		}
		release()
		if !strings.HasPrefix(at.Commit, c.Checksum) {
			return time.Time{}, fmt.Errorf("--checksum is %s, but the repository gave commit %s", c.Checksum, at.Commit)
		}
		return at.Made, nil
	}
	file, err := b.download(ctx, src, c.Checksum)
	if err != nil {
		return time.Time{}, fmt.Errorf("ADD %s: %w", src, err)
	}
	var known urlRecord
	if err := b.Store.Record(recordURL, src, &known); err == nil && known.Digest == "sha256:"+file.entry.Digest {
		if made, err := http.ParseTime(known.Modified); err == nil {
			return made, nil
		}
	}
	return newestIn(file.path, cmp.Or(b.Store.Limits.Bytes, archive.DefaultLimits().Bytes))
}

// newestIn gives the time of the newest file in an archive; zero for what is no archive.
func newestIn(file string, limit int64) (newest time.Time, err error) {
	f, err := os.Open(file)
	if err != nil {
		return newest, err
	}
	defer f.Close()
	plain, err := decompress(f)
	if err != nil {
		return newest, nil // it is no archive
	}
	defer plain.Close()
	for r := tar.NewReader(io.LimitReader(plain, limit)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return newest, nil
		}
		if err != nil {
			return time.Time{}, nil // it is no archive
		}
		if h.Typeflag == tar.TypeReg && h.ModTime.After(newest) {
			newest = h.ModTime
		}
	}
}
