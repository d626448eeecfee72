package progress

import (
	"fmt"
	"io"
	"time"
)

// plainEvery is how often a running task is mentioned again.
const plainEvery = 15 * time.Second

// plain writes lines. A task that runs for longer than patience gets a line when it does, one every plainEvery, and
// one when it ends.
type plain struct {
	w    io.Writer
	told map[*Task]time.Time // when a task was mentioned last
}

func newPlain(w io.Writer) *plain { return &plain{w: w, told: map[*Task]time.Time{}} }

func (p *plain) start(*Task) {}

func (p *plain) end(t *Task, err error, now time.Time) {
	_, told := p.told[t]
	delete(p.told, t)
	if !told {
		return
	}
	how := "done in"
	switch {
	case cancelled(err):
		how = "stopped after"
	case err != nil:
		how = "failed after"
	}
	p.print(t.name + ": " + how + " " + duration(now.Sub(t.started)))
}

func (p *plain) say(t *Task, k kind, text string) {
	switch {
	case k == kindWarning:
		text = "warning: " + text
	case k == kindOutput && t != nil:
		text = "[" + t.name + "] " + text
	}
	p.print(text)
}

func (p *plain) tick(running []*Task, now time.Time) {
	for _, t := range running {
		last, told := p.told[t]
		switch {
		case !told && now.Sub(t.started) >= patience:
			p.print(t.name + " ..." + amount(t, now))
		case told && now.Sub(last) >= plainEvery:
			p.print(t.name + ": " + duration(now.Sub(t.started)) + amount(t, now))
		default:
			continue
		}
		p.told[t] = now
	}
}

func (p *plain) close() {}

// print writes a line at once, so that lines of other processes do not get into it.
func (p *plain) print(line string) { _, _ = io.WriteString(p.w, line+"\n") }

// amount says how much of a task is done, where that is known.
func amount(t *Task, now time.Time) string {
	done := t.done.Load()
	if done == 0 && t.total == 0 {
		return ""
	}
	out := " (" + bytesText(done)
	if t.total > 0 {
		out += " of " + bytesText(t.total)
	}
	if s := now.Sub(t.started).Seconds(); s >= 1 && done > 0 {
		out += ", " + bytesText(int64(float64(done)/s)) + "/s"
	}
	return out + ")"
}

// bytesText is a size as people read it, in decimal units.
func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if v /= 1000; v < 999.5 || unit == "GB" {
			if v < 9.95 {
				return fmt.Sprintf("%.1f %s", v, unit)
			}
			return fmt.Sprintf("%.0f %s", v, unit)
		}
	}
	return ""
}

func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
