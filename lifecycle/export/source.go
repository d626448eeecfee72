package export

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/native"
)

// show makes p the layer that shows dir at the slash path name in the image.
func (p *piece) show(o Options, dir, name string) error {
	if err := checkPlace(name); err != nil {
		return err
	}
	shown := archive.TreeOptions{
		Name: name, UID: o.Places.UID, GID: o.Places.GID,
		Parents: archive.Parents(name, o.Places.UID, o.Places.GID),
	}
	p.tree = &tree{dir: dir}
	p.variant = fmt.Sprintf("tree %s %d:%d", name, o.Places.UID, o.Places.GID)
	p.source = func(ctx context.Context, w io.Writer) error {
		tw := archive.NewWriter(w)
		if err := tw.Tree(ctx, dir, shown); err != nil {
			return err
		}
		return tw.Close()
	}
	p.scan = func(ctx context.Context, s *native.Scanner) error { return s.Tree(ctx, dir, name) }
	return nil
}

// launcherPiece is the layer with the launcher. It belongs to root.
func launcherPiece(launcher []byte) *piece {
	file := tar.Header{
		Typeflag: tar.TypeReg, Name: lifecycle.LauncherPath, Mode: 0o755, Size: int64(len(launcher)),
	}
	return &piece{
		role: roleLauncher, id: "launcher", history: historyLauncher,
		source: func(_ context.Context, w io.Writer) error {
			tw := archive.NewWriter(w)
			headers := append(archive.Parents(lifecycle.LauncherPath, 0, 0), file)
			for i := range headers {
				if err := tw.Add(&headers[i], bytes.NewReader(launcher)); err != nil {
					return err
				}
			}
			return tw.Close()
		},
	}
}

// processesPiece is the layer with a link to the launcher for each process type, in the order of the metadata.
func processesPiece(processes []lifecycle.Process) *piece {
	headers := archive.Parents(lifecycle.ProcessDir+"/type", 0, 0)
	for _, process := range processes {
		headers = append(headers, tar.Header{
			Typeflag: tar.TypeSymlink, Name: lifecycle.ProcessDir + "/" + process.Type,
			Linkname: lifecycle.LauncherPath, Mode: 0o755,
		})
	}
	return &piece{
		role: roleProcesses, id: "process types", history: historyProcesses,
		source: func(_ context.Context, w io.Writer) error {
			tw := archive.NewWriter(w)
			for i := range headers {
				header := headers[i]
				if err := tw.Add(&header, nil); err != nil {
					return err
				}
			}
			return tw.Close()
		},
	}
}
