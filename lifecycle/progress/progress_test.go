package progress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// after lets the renderer believe that d has gone by since t started.
func after(s *Sink, t *Task, d time.Duration) { s.tick(t.started.Add(d)) }

func TestPlain(t *testing.T) {
	var buf bytes.Buffer
	s := newSink(newPlain(&buf))
	ctx := With(t.Context(), s)
	Note(ctx, "using %s", "trixie")

	short, task := Start(ctx, "npm ci", 0)
	out := Output(short)
	fmt.Fprint(out, "added 5 packages\nno newline")
	after(s, task, 900*time.Millisecond)
	task.End(nil)
	task.End(nil)

	_, long := Start(ctx, "downloading go", 64_000_000)
	after(s, long, time.Second)
	long.Add(32_000_000)
	after(s, long, 5*time.Second)
	after(s, long, 16*time.Second)
	long.started = long.started.Add(-20 * time.Second)
	long.End(errors.New("connection lost"))
	Warn(ctx, "the lock is old")

	want := []string{
		"using trixie",
		"[npm ci] added 5 packages",
		"[npm ci] no newline",
		"downloading go ... (0 B of 64 MB)",
		"downloading go: 16.0s (32 MB of 64 MB, 2.0 MB/s)",
		"downloading go: failed after 20.0s",
		"warning: the lock is old", "",
	}
	if diff := cmp.Diff(want, strings.Split(buf.String(), "\n")); diff != "" {
		t.Errorf("output differs (-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	var buf bytes.Buffer
	s := newSink(newJSON(&buf))
	ctx, outer := Start(With(t.Context(), s), "build", 0)
	ctx, inner := Start(ctx, "layer", 10)
	_, _ = io.Copy(io.Discard, inner.Reader(strings.NewReader("12345")))
	s.tick(time.Now())
	s.tick(time.Now())
	fmt.Fprintln(Output(ctx), "<hello>")
	inner.End(errors.New("no"))
	outer.End(nil)
	var got []event
	for dec := json.NewDecoder(&buf); dec.More(); {
		var e event
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse(time.RFC3339, e.Time); err != nil {
			t.Error(err)
		}
		e.Time = ""
		got = append(got, e)
	}
	want := []event{
		{Event: "start", Task: 1, Name: "build"},
		{Event: "start", Task: 2, Parent: 1, Name: "layer", Total: 10},
		{Event: "progress", Task: 2, Total: 10, Done: 5},
		{Event: "output", Task: 2, Text: "<hello>"},
		{Event: "end", Task: 2, Total: 10, Done: 5, Error: "no"},
		{Event: "end", Task: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events differ (-want +got):\n%s", diff)
	}
}

func TestQuiet(t *testing.T) {
	var buf bytes.Buffer
	s, err := New(Quiet, &buf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, task := Start(With(t.Context(), s), "x", 0)
	fmt.Fprintln(Output(ctx), "output")
	Note(ctx, "note")
	Warn(ctx, "watch out")
	after(s, task, time.Minute)
	task.End(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := buf.String(); got != "warning: watch out\n" {
		t.Errorf("got %q", got)
	}
	if _, err := New("loud", &buf); err == nil {
		t.Error("an unknown mode was accepted")
	}
}

func TestTTY(t *testing.T) {
	var buf bytes.Buffer
	s, err := New(TTY, &buf)
	if err != nil {
		t.Fatal(err)
	}
	ctx := With(t.Context(), s)
	known, bar := Start(ctx, "fetching", 100)
	_, spinner := Start(ctx, "thinking", 0)
	bar.Add(100)
	after(s, spinner, time.Minute)
	fmt.Fprintln(Output(known), "half way\x1b]0;title\x07")
	bar.End(nil)
	Note(ctx, "the end")
	if err := s.Close(); err != nil { // with a task still running
		t.Fatal(err)
	}
	Note(ctx, "too late")
	spinner.End(nil)
	got := buf.String()
	for _, want := range []string{"[fetching]", "half way", "the end\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, no := range []string{"title", "too late", "\x1b[?25l"} {
		if strings.Contains(got, no) {
			t.Errorf("%q is in %q", no, got)
		}
	}
}

func TestNoSink(t *testing.T) {
	ctx, task := Start(t.Context(), "x", 1)
	task.Add(1)
	task.Set(1)
	fmt.Fprintln(Output(ctx), "dropped")
	Note(ctx, "dropped")
	Warn(ctx, "dropped")
	task.End(nil)
}

func TestLines(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want []string
	}{
		{"parts", []string{"a", "b\nc", "\n"}, []string{"ab", "c"}},
		{"overwritten", []string{"10%\r50%\r100%\r\n"}, []string{"100%"}},
		{"empty", []string{"\n\n"}, []string{"", ""}},
		{"no end", []string{strings.Repeat("x", maxLine+2)}, []string{strings.Repeat("x", maxLine), "xx"}},
	}
	for _, tt := range tests {
		var got []string
		l := &lineWriter{emit: func(s string) { got = append(got, s) }}
		for _, in := range tt.in {
			if n, err := io.WriteString(l, in); n != len(in) || err != nil {
				t.Errorf("%s: wrote %d, %v", tt.name, n, err)
			}
		}
		l.flush()
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext ü":             "plain\ttext ü",
		"\x1b[31mred\x1b[0m":        "\x1b[31mred\x1b[0m",
		"\x1b[2J\x1b[Hcleared":      "cleared",
		"\x1b]0;title\x07x":         "x",
		"\x1b]8;;file:///\x1b\\x":   "x",
		"\x1bPdevice\x1b\\x":        "x",
		"\x1b":                      "",
		"a\x1b[":                    "a",
		"bell\x07 back\x08 \x7f":    "bell back ",
		"\u009b2Jc1":                "2Jc1",
		"latin1 \xe4":               "latin1 \ufffd",
		"\x1b[31\nm":                "m",
		"\x1b(Bcharset \x1bcreset!": "(Bcharset creset!",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[1;31mx\x1b[0m\x1b]0;t\x07")
	f.Fuzz(func(t *testing.T, s string) {
		rest := clean(s)
		for strings.Contains(rest, "\x1b") {
			_, after, _ := strings.Cut(rest, "\x1b[")
			end := strings.IndexByte(after, 'm')
			if end < 0 || strings.Trim(after[:end], "0123456789;:") != "" {
				t.Fatalf("clean(%q) keeps an escape sequence: %q", s, rest)
			}
			rest = after[end:]
		}
		if strings.ContainsFunc(rest, suspicious) {
			t.Fatalf("clean(%q) keeps control characters: %q", s, rest)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	for _, mode := range []Mode{TTY, Plain, JSON} {
		s, err := New(mode, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		ctx := With(context.Background(), s)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					ctx, task := Start(ctx, "task", 10)
					out := Output(ctx)
					fmt.Fprintf(out, "line\npart")
					task.Add(5)
					s.tick(time.Now().Add(time.Minute))
					task.End(nil)
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
