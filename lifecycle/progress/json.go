package progress

import (
	"encoding/json"
	"io"
	"time"
)

// event is one line of the JSON renderer. Empty fields are left out.
type event struct {
	Time   string `json:"time"`             // RFC 3339, UTC
	Event  string `json:"event"`            // start, progress, end, output, note, warning
	Task   int64  `json:"task,omitempty"`   // from 1; for start, progress and end, else the task it belongs to
	Parent int64  `json:"parent,omitempty"` // start: the task that it is part of
	Name   string `json:"name,omitempty"`   // start: of the task
	Total  int64  `json:"total,omitempty"`  // bytes
	Done   int64  `json:"done,omitempty"`   // bytes
	Error  string `json:"error,omitempty"`  // end: why the task did not succeed
	Text   string `json:"text,omitempty"`   // output, note, warning: the line
}

// jsonLines writes one object per line: for each task its start and end, and once a second how far it is.
type jsonLines struct {
	enc  *json.Encoder
	told map[*Task]int64 // bytes last told of
}

func newJSON(w io.Writer) *jsonLines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &jsonLines{enc, map[*Task]int64{}}
}

func (j *jsonLines) write(e event, now time.Time) {
	e.Time = now.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	_ = j.enc.Encode(e) // a reader that went away is no reason to stop the build
}

func (j *jsonLines) start(t *Task) {
	e := event{Event: "start", Task: t.id, Name: t.name, Total: t.total}
	if t.parent != nil {
		e.Parent = t.parent.id
	}
	j.write(e, t.started)
}

func (j *jsonLines) end(t *Task, err error, now time.Time) {
	delete(j.told, t)
	e := event{Event: "end", Task: t.id, Total: t.total, Done: t.done.Load()}
	if err != nil {
		e.Error = clean(err.Error())
	}
	j.write(e, now)
}

func (j *jsonLines) say(t *Task, k kind, text string) {
	e := event{Event: string(k), Text: text}
	if t != nil {
		e.Task = t.id
	}
	j.write(e, time.Now())
}

func (j *jsonLines) tick(running []*Task, now time.Time) {
	for _, t := range running {
		if done := t.done.Load(); done != j.told[t] {
			j.told[t] = done
			j.write(event{Event: "progress", Task: t.id, Total: t.total, Done: done}, now)
		}
	}
}

func (j *jsonLines) close() {}
