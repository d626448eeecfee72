package export

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"
)

// BenchmarkExport exports a launch layer of 20,000 files with 200 MB of text: for the first time, with nothing changed,
// and with one file changed. It reports the largest heap as peak-MB and, because it says more than the time on a busy
// machine, the processor time as cpu-s. Trees are made once: making and deleting them in
// the loop would measure the file system.
func BenchmarkExport(b *testing.B) {
	o := benchmarkBuild(b)
	changed := filepath.Join(o.LayersDir, "acme_bp", "deps", "d0", "f0.js")
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			o.Store = openStore(b)
			b.StartTimer()
			peak, cpu := watchHeap(), cpuTime(b)
			mustExport(b, o)
			b.ReportMetric(peak(), "peak-MB")
			b.ReportMetric((cpuTime(b) - cpu).Seconds(), "cpu-s")
		}
	})
	o.Store = openStore(b)
	mustExport(b, o)
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			cpu := cpuTime(b)
			mustExport(b, o)
			b.ReportMetric((cpuTime(b) - cpu).Seconds(), "cpu-s")
		}
	})
	b.Run("changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := os.WriteFile(changed, fmt.Appendf(nil, "changed %d %d", i, time.Now().UnixNano()), 0o644); err != nil {
				b.Fatal(err)
			}
			mustExport(b, o)
		}
	})
}

func benchmarkBuild(b *testing.B) Options {
	b.Helper()
	o := buildIn(b, b.TempDir())
	o.Run = runImage(b, types.OCIManifestSchema1)
	words := strings.Fields(strings.Repeat("const function return require module exports value index ", 4) +
		"{ } ( ) ; => === null undefined /** */ // todo async await")
	random := rand.New(rand.NewSource(1))
	var text strings.Builder
	for text.Len() < 4<<20 {
		fmt.Fprintf(&text, "%s%d ", words[random.Intn(len(words))], random.Intn(5000))
	}
	source := text.String()
	for dir := range 200 {
		path := filepath.Join(o.LayersDir, "acme_bp", "deps", fmt.Sprintf("d%d", dir))
		if err := os.MkdirAll(path, 0o755); err != nil {
			b.Fatal(err)
		}
		for file := range 100 {
			from := random.Intn(len(source) - 20_000)
			content := source[from : from+1+random.Intn(20_000)]
			if err := os.WriteFile(filepath.Join(path, fmt.Sprintf("f%d.js", file)), []byte(content), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	plant(b, o.LayersDir, []node{{path: "acme_bp/deps.toml", content: depTOML, mode: 0o644}})
	return o
}

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// watchHeap samples the heap until the function that it returns is called, which gives the largest size in MB.
func watchHeap() func() float64 {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var stats runtime.MemStats
		var peak uint64
		for {
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapAlloc)
			}
		}
	}()
	return func() float64 {
		close(stop)
		return float64(<-done) / 1e6
	}
}
