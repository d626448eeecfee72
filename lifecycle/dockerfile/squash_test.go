package dockerfile

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/image"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
)

// randomLayer writes a layer that adds, replaces and removes a few names, with what it wrote for messages.
func randomLayer(r *rand.Rand) (data []byte, lines []string) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	kinds := map[string]byte{}
	files := []string{}
	add := func(name string, kind byte, link string) {
		h := &tar.Header{Name: name, Typeflag: kind, Mode: 0o644, Linkname: link}
		content := ""
		if kind == tar.TypeReg && !strings.Contains(name, ".wh.") {
			content = fmt.Sprint(r.IntN(1000))
			files = append(files, name)
		}
		h.Size = int64(len(content))
		_ = w.WriteHeader(h) // memory takes everything
		_, _ = io.WriteString(w, content)
		kinds[name] = kind
		lines = append(lines, fmt.Sprintf("%c %s %s", kind, name, link))
	}
	for range 1 + r.IntN(5) {
		name := strings.Join([]string{"a", "b", "c", "d"}[r.IntN(2):][:1+r.IntN(3)], "/")
		ok := kinds[name] == 0
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			ok = ok && (kinds[dir] == 0 || kinds[dir] == tar.TypeDir)
		}
		if !ok {
			continue
		}
		if r.IntN(4) == 0 { // names are in order below, so that nothing is in a directory that is a whiteout
			add(path.Join(path.Dir(name), ".wh."+path.Base(name)), tar.TypeReg, "")
			kinds[name] = tar.TypeReg
			continue
		}
		for i := range strings.Count(name, "/") {
			dir := strings.Join(strings.Split(name, "/")[:i+1], "/")
			if kinds[dir] == 0 {
				add(dir, tar.TypeDir, "")
			}
		}
		switch r.IntN(5) {
		case 0, 1:
			add(name, tar.TypeReg, "")
		case 2:
			add(name, tar.TypeDir, "")
			if r.IntN(2) == 0 {
				add(name+"/.wh..wh..opq", tar.TypeReg, "")
			}
		case 3:
			add(name, tar.TypeSymlink, "x")
		case 4:
			if len(files) > 0 {
				add(name, tar.TypeLink, files[0])
			}
		}
	}
	_ = w.Close()
	return buf.Bytes(), lines
}

func shown(v *listing.View, dir string) (out []string) {
	for _, name := range v.ReadDir(dir) {
		full := path.Join(dir, name)
		e := v.Lstat(full)
		out = append(out, fmt.Sprintf("%s %c %s %s", full, e.Type, e.Digest, e.Link))
		if e.IsDir() {
			out = append(out, shown(v, full)...)
		}
	}
	return out
}

// TestSquashShowsTheSame squashes made-up layers and compares what is shown over a made-up base.
func TestSquashShowsTheSame(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	b := &builder{Options: Options{Store: st}, work: newWork(t.Context(), Options{})}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var lists []*listing.Listing
		var own []*node
		var text []string
		for i := range 4 {
			data, lines := randomLayer(r)
			text = append(text, fmt.Sprintf("layer %d: %q", i, lines))
			list, err := listing.Read(bytes.NewReader(data), archive.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, list)
			if i == 0 {
				continue // the base
			}
			l, err := st.Layer(t.Context(), func(_ context.Context, w io.Writer) error {
				_, err := w.Write(data)
				return err
			}, store.LayerOptions{Need: store.Blob})
			if err != nil {
				t.Fatal(err)
			}
			own = append(own, &node{b: b, base: l})
		}
		one, err := b.squash(t.Context(), own)
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(text, "\n"))
		}
		list, err := b.listing(one)
		if err != nil {
			t.Fatal(err)
		}
		want, got := shown(listing.Over(lists...), ""), shown(listing.Over(lists[0], list), "")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: shown (-layers +squashed):\n%s\n%s\nsquashed: %v", seed, diff, strings.Join(text, "\n"), list)
		}
	}
}

// TestSquashKeepsTheBase squashes an image on a base: the base's layers stay, and so does where it ends.
func TestSquashKeepsTheBase(t *testing.T) {
	w := newBench(t, nil)
	base, err := w.image("FROM scratch\nRUN [\"write\", \"/base\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.images.Publish(t.Context(), base, []image.Ref{{Kind: image.Local, Name: "base:1"}}); err != nil {
		t.Fatal(err)
	}
	w.options.Squash = true
	img, err := w.image("FROM base:1\nRUN [\"write\", \"/a\"]\nENV X=1\nRUN [\"write\", \"/b\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var layers []v1.History
	for _, h := range config.History {
		if !h.EmptyLayer {
			layers = append(layers, h)
		}
	}
	if len(config.RootFS.DiffIDs) != 2 || len(layers) != 2 || len(config.History) != 5 {
		t.Errorf("%d layers, history %+v", len(config.RootFS.DiffIDs), config.History)
	}
	if meta := config.Config.Labels[lifecycle.LabelLayersMetadata]; !strings.Contains(meta, config.RootFS.DiffIDs[0].String()) {
		t.Errorf("the label does not tell where the base ends: %s", meta)
	}
	if _, ran := w.build("FROM base:1\nRUN [\"write\", \"/a\"]\nENV X=1\nRUN [\"write\", \"/b\"]\n"); len(ran) > 0 {
		t.Errorf("built again: ran %v", ran)
	}
}
