package export

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
)

// previousImage is what the export takes from the image that an earlier build made. A nil one has nothing to give.
type previousImage struct {
	image    v1.Image
	metadata lifecycle.LayersMetadata
	needs    lifecycle.Needs
}

// readPrevious reads the labels of image, which may be nil. Labels that cannot be decoded count as absent, as in the
// reference: another program may have made the image.
func readPrevious(image v1.Image) (*previousImage, error) {
	if image == nil {
		return nil, nil
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the previous image: %w", err)
	}
	p := &previousImage{image: image}
	if json.Unmarshal([]byte(config.Config.Labels[lifecycle.LabelLayersMetadata]), &p.metadata) != nil {
		p.metadata = lifecycle.LayersMetadata{}
	}
	if json.Unmarshal([]byte(config.Config.Labels[lifecycle.LabelNeeds]), &p.needs) != nil {
		p.needs = lifecycle.Needs{}
	}
	return p, nil
}

// take fills piece, a buildpack's layer, from the previous image.
func (p *previousImage) take(piece *piece) error {
	const remedy = "the buildpack must make the layer again, or not mark it launch = true"
	if p == nil {
		return fmt.Errorf("it has no contents here and %w: there is none; %s", ErrReuse, remedy)
	}
	recorded, ok := p.metadata.For(piece.own.Buildpack.ID).Layers[piece.own.Name]
	if !ok {
		return fmt.Errorf("it has no contents here and %w: that has no metadata for it; %s", ErrReuse, remedy)
	}
	diffID, err := v1.NewHash(recorded.SHA)
	if err != nil {
		return fmt.Errorf("it has no contents here and %w: its diffID there: %w; %s", ErrReuse, err, remedy)
	}
	layer, err := p.image.LayerByDiffID(diffID)
	if err != nil {
		return fmt.Errorf("it has no contents here and %w: looking for %s there: %w; %s", ErrReuse, diffID, err, remedy)
	}
	piece.layer, piece.diffID = layer, diffID
	piece.needs, piece.known = p.needs.Layers[diffID.String()], p.needs.Form >= lifecycle.NeedsForm
	return nil
}
