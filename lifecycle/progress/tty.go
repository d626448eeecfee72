package progress

import (
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// tty shows a bar for each task that runs for longer than patience, and everything else as lines above the bars. A
// bar goes when its task ends, so the last thing on the screen is what programs and notes said.
type tty struct {
	bars *mpb.Progress
	of   map[*Task]*mpb.Bar
}

func newTTY(w io.Writer) *tty {
	return &tty{
		bars: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(100*time.Millisecond)),
		of:   map[*Task]*mpb.Bar{},
	}
}

func (y *tty) start(*Task) {}

func (y *tty) end(t *Task, _ error, _ time.Time) {
	if b := y.of[t]; b != nil {
		b.Abort(true)
		delete(y.of, t)
	}
}

func (y *tty) say(t *Task, k kind, text string) {
	switch {
	case k == kindWarning:
		text = "\x1b[33mwarning:\x1b[0m " + text
	case k == kindOutput && t != nil:
		text = "\x1b[2m[" + t.name + "]\x1b[0m " + text + "\x1b[0m"
	}
	_, _ = io.WriteString(y.bars, text+"\n")
}

func (y *tty) tick(running []*Task, now time.Time) {
	for _, t := range running {
		b := y.of[t]
		if b == nil && now.Sub(t.started) >= patience {
			b = y.bar(t)
		}
		if b != nil && t.total > 0 {
			b.SetCurrent(min(t.done.Load(), t.total-1)) // a full bar would go by itself
		}
	}
}

// bar adds the bar of a task: name, bar where the size is known, and what else there is to say.
func (y *tty) bar(t *Task) *mpb.Bar {
	name := decor.Name(t.name+" ", decor.WC{C: decor.DindentRight | decor.DSyncWidth})
	rest := decor.Any(func(decor.Statistics) string {
		now := time.Now()
		return " " + duration(now.Sub(t.started)) + amount(t, now)
	})
	options := []mpb.BarOption{
		mpb.PrependDecorators(name), mpb.AppendDecorators(rest), mpb.BarRemoveOnComplete(), mpb.BarPriority(int(t.id)),
	}
	var b *mpb.Bar
	if t.total > 0 {
		b = y.bars.New(t.total, mpb.BarStyle(), append(options, mpb.BarWidth(30))...)
	} else {
		b = y.bars.New(0, mpb.SpinnerStyle(), append(options, mpb.BarWidth(1))...)
	}
	y.of[t] = b
	return b
}

// close takes the bars away and waits until the last lines are on the screen.
func (y *tty) close() {
	for _, b := range y.of {
		b.Abort(true)
	}
	y.bars.Wait()
}
