package rebase

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// boundary is where the old base ends in the app image.
type boundary struct {
	layers  int // how many layers it has
	history int // how many history entries
	name    string
}

func readMetadata(config *v1.ConfigFile) (*lifecycle.LayersMetadata, error) {
	value, ok := config.Config.Labels[lifecycle.LabelLayersMetadata]
	if !ok {
		return nil, nil
	}
	var meta lifecycle.LayersMetadata
	if err := json.Unmarshal([]byte(value), &meta); err != nil {
		return nil, fmt.Errorf("reading label %s: %w", lifecycle.LabelLayersMetadata, err)
	}
	return &meta, nil
}

// readOldConfig finds the old base's configuration: from the old base, else as it was recorded at export.
func (r *rebase) readOldConfig() (err error) {
	where := "label " + lifecycle.LabelBaseConfig
	if r.o.OldBase != nil {
		where = "the config of the old base"
		if r.baseText, err = image.ConfigObject(r.o.OldBase); err != nil {
			return fmt.Errorf("reading %s: %w", where, err)
		}
	} else if value, ok := r.app.config.Config.Labels[lifecycle.LabelBaseConfig]; ok {
		r.baseText = json.RawMessage(value)
	} else {
		return nil
	}
	if err := json.Unmarshal(r.baseText, &r.base); err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	return nil
}

// findCut finds the end of the base, by the old base itself, or by the top layer that the app recorded.
func (r *rebase) findCut() (boundary, error) {
	var cut boundary
	var err error
	switch {
	case r.o.OldBase != nil:
		cut, err = r.cutByImage()
	case r.meta != nil && r.meta.RunImage.TopLayer != "":
		cut, err = r.cutByTopLayer()
	default:
		err = fmt.Errorf("%w: it has neither a label %s with a top layer nor annotations %s and %s, and no old base "+
			"was given", ErrNoBase, lifecycle.LabelLayersMetadata, AnnotationBaseName, AnnotationBaseDigest)
	}
	if err != nil {
		return cut, err
	}
	if cut.history == 0 {
		cut.history = r.historyCut(cut.layers)
	}
	if r.meta != nil && r.meta.RunImage.Reference != "" {
		cut.name = r.meta.RunImage.Reference
	}
	return cut, nil
}

// cutByImage compares layer by layer: a layer counts as the same when its diffID is, however it is compressed.
func (r *rebase) cutByImage() (boundary, error) {
	old, err := readSide(r.o.OldBase, "the old base")
	if err != nil {
		return boundary{}, err
	}
	oldIDs, appIDs := old.config.RootFS.DiffIDs, r.app.config.RootFS.DiffIDs
	if len(oldIDs) > len(appIDs) || !slices.Equal(oldIDs, appIDs[:len(oldIDs)]) {
		return boundary{}, fmt.Errorf("%w: the image is not built on the old base given: its lower layers are others",
			ErrNoBase)
	}
	cut := boundary{layers: len(oldIDs)}
	if h := old.config.History; len(h) <= len(r.app.config.History) && filled(h) == cut.layers {
		cut.history = len(h)
	}
	digest, err := r.o.OldBase.Digest()
	cut.name = digest.String()
	return cut, err
}

func (r *rebase) cutByTopLayer() (boundary, error) {
	top := r.meta.RunImage.TopLayer
	ids := r.app.config.RootFS.DiffIDs
	for i, id := range ids {
		// Two equal layers one after the other belong together: a base may end with two empty ones.
		if id.String() == top && (i+1 == len(ids) || ids[i+1] != id) {
			return boundary{layers: i + 1, name: top}, nil
		}
	}
	return boundary{}, fmt.Errorf("%w: its label %s names the top layer %s, which it does not have", ErrNoBase,
		lifecycle.LabelLayersMetadata, top)
}

// historyCut finds how many of the app's history entries are the base's: those up to its last layer. Entries without a
// layer that follow are the base's, too, where the builder of the app makes none (ours and other CNB platforms).
func (r *rebase) historyCut(layers int) int {
	history := r.app.config.History
	n := 0
	for n < len(history) && layers > 0 {
		if !history[n].EmptyLayer {
			layers--
		}
		n++
	}
	for r.meta != nil && n < len(history) && history[n].EmptyLayer {
		n++
	}
	return n
}

// filled counts the history entries that stand for a layer.
func filled(history []v1.History) int {
	n := 0
	for _, h := range history {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}
