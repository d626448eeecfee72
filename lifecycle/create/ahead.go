package create

import (
	"context"
	"log/slog"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ahead sends layers to the registries while the rest of the image is still being made. What it cannot send, publish
// sends, or says why not; so an error here is only worth a line for developers.
type ahead struct {
	// send begins to send a layer. It does not block.
	send func(v1.Layer)
	// wait returns when everything has been sent, as far as it could be.
	wait func()
	// stop breaks off what is under way, for a build that does not come to publishing.
	stop func()
}

// aheadJobs bounds how many layers travel at a time beside the build, which needs the machine more.
const aheadJobs = 2

func (o Options) newAhead(ctx context.Context) *ahead {
	if o.Check != nil { // nothing leaves this machine before the image has passed
		return &ahead{send: func(v1.Layer) {}, wait: func() {}, stop: func() {}}
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	slots := make(chan struct{}, aheadJobs)
	send := func(layer v1.Layer) {
		tasks.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := o.Images.Upload(ctx, layer, o.Refs); err != nil {
				slog.DebugContext(ctx, "sending a layer ahead", "error", err)
			}
		})
	}
	return &ahead{send: send, wait: tasks.Wait, stop: func() { cancel(); tasks.Wait() }}
}

// base sends the layers of a composed base but those of an earlier one, which may be nil. Those of a base from a registry
// are mounted when the image is published.
func (a *ahead) base(b, earlier *Bases) {
	if b.RunImage.Image != "" {
		return
	}
	layers, err := b.Run.Layers()
	if err != nil {
		return // whoever reads the base next says so
	}
	for _, l := range layers {
		if id, err := l.DiffID(); err == nil && !earlier.has(id) {
			a.send(l)
		}
	}
}

// has tells whether the run image has a layer.
func (b *Bases) has(diffID v1.Hash) bool {
	if b == nil {
		return false
	}
	_, err := b.Run.LayerByDiffID(diffID)
	return err == nil
}
