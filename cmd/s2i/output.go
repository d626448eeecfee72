package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/create"
)

// output is one --output that holds an image's files instead of the image.
type output struct {
	tar  bool
	dest string // a directory, a file, or "-" for standard output
}

// outputs reads --output as docker writes it. What holds images it gives as references for --tag.
func outputs(values []string) (files []output, refs []string, err error) {
	for _, value := range values {
		kind, fields := "local", map[string]string{"dest": value}
		if value == "-" {
			kind = "tar"
		} else if strings.Contains(value, "=") {
			fields = map[string]string{}
			for part := range strings.SplitSeq(value, ",") {
				key, text, _ := strings.Cut(part, "=")
				fields[key] = text
			}
			kind = fields["type"]
		}
		dest, name := fields["dest"], fields["name"]
		switch {
		case (kind == "local" || kind == "tar") && dest != "":
			files = append(files, output{kind == "tar", dest})
		case kind == "oci" && dest != "" && fields["tar"] == "false":
			refs = append(refs, "oci:"+dest)
		case kind == "oci" && dest != "":
			refs = append(refs, "oci-archive:"+dest)
		case kind == "docker" && dest != "":
			refs = append(refs, strings.TrimSuffix("docker-archive:"+dest+":"+name, ":"))
		case kind == "docker" && name != "":
			refs = append(refs, "docker-daemon:"+name)
		case (kind == "image" || kind == "registry") && name != "":
			refs = append(refs, name)
		default:
			return nil, nil, usageError("--output %s is none of DIR, type=local|tar|oci|docker,dest=FILE and type=image,name=REF", value)
		}
	}
	return files, refs, nil
}

// writeOutputs writes the files of the images that were built.
func writeOutputs(ctx context.Context, c *cli.Context, r *create.Result) error {
	files, _, err := outputs(c.StringSlice("output"))
	if err != nil {
		return err
	}
	for _, o := range files {
		for _, m := range r.Images {
			to := o.dest
			if len(r.Images) > 1 {
				if o.tar {
					return usageError("--output type=tar is for one platform; type=local makes a directory for each")
				}
				to = filepath.Join(to, strings.ReplaceAll(m.Platform.String(), "/", "_"))
			}
			if err := o.write(ctx, c, m.Image, to); err != nil {
				return fmt.Errorf("writing --output %s: %w", to, err)
			}
		}
	}
	return nil
}

func (o output) write(ctx context.Context, c *cli.Context, img v1.Image, to string) (err error) {
	if o.tar && to == "-" {
		return flatten(ctx, img, c.App.Writer)
	}
	if o.tar {
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		return errors.Join(flatten(ctx, img, f), f.Close())
	}
	if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // as people make directories
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(flatten(ctx, img, w)) }()
	defer r.Close()
	return archive.Extract(ctx, r, root, archive.ExtractOptions{Times: true})
}
