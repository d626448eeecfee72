package dockerfile

import (
	"archive/tar"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEpoch takes the time of creation from the argument for it, as BuildKit does: given, declared, or neither.
func TestEpoch(t *testing.T) {
	for _, c := range []struct {
		name, file, arg string
		option          time.Time
		want            int64
		wrong           string
	}{
		{"given", "FROM scratch\nLABEL a=b\n", "1700000000", time.Time{}, 1700000000, ""},
		{"declared", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM scratch\nLABEL a=b\n", "", time.Time{}, 1600000000, ""},
		{"given wins", "ARG SOURCE_DATE_EPOCH=1600000000\nFROM scratch\nLABEL a=b\n", "1700000000", time.Time{}, 1700000000, ""},
		{"option wins", "FROM scratch\nLABEL a=b\n", "1700000000", time.Unix(5, 0), 5, ""},
		{"no number", "FROM scratch\nLABEL a=b\n", "never", time.Time{}, 0, "it is neither seconds since 1970, nor context"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newBench(t, nil)
			w.options.Created = c.option
			if c.arg != "" {
				w.options.Args = map[string]string{"SOURCE_DATE_EPOCH": c.arg}
			}
			img, err := w.image(c.file)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Created.Unix(); got != c.want {
				t.Errorf("created %d, want %d", got, c.want)
			}
			if got := config.History[0].Created.Unix(); got != c.want {
				t.Errorf("the history says %d, want %d", got, c.want)
			}
		})
	}
}

// TestEpochOfSources takes the time from where the sources come from.
func TestEpochOfSources(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/says" {
			w.Header().Set("Last-Modified", time.Unix(1_400_000_000, 0).UTC().Format(http.TimeFormat))
		}
		if r.URL.Path == "/text" {
			_, _ = w.Write([]byte("no archive"))
			return
		}
		_, _ = w.Write(tarOfTimes(t, 1_300_000_000, 1_350_000_000, 1_310_000_000))
	}))
	defer server.Close()
	const rest = "FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL at=$SOURCE_DATE_EPOCH\n"
	stage := func(add string) string { return "FROM scratch AS src\n" + add + "\n" + rest }
	for _, c := range []struct {
		name, file, arg, want, wrong string
	}{
		{"context", rest, "context", "1200000000", ""},
		{"named context", rest, "other", "1250000000", ""},
		{"context without a time", rest, "bare", "", ""},
		{"declared", "ARG SOURCE_DATE_EPOCH=context\n" + rest, "", "1200000000", ""},
		{"reset", "ARG SOURCE_DATE_EPOCH=context\n" + rest, "=", "", ""},
		{"what the server says", stage("ADD " + server.URL + "/says /"), "src", "1400000000", ""},
		{"newest file", stage("ARG U=" + server.URL + "\nADD $U/a.tar /"), "SRC", "1350000000", ""},
		{"no archive", stage("ADD " + server.URL + "/text /"), "src", "", ""},
		{"commit", stage("ADD git://example.com/a.git /"), "src", "1500000000", ""},
		{"another commit", stage("ADD --checksum=fff git://example.com/a.git /"), "src", "", "gave commit abc"},
		{"a file of the context", stage("ADD a /"), "src", "", "one ADD of a URL or git repository"},
		{"two downloads", stage("ADD " + server.URL + "/says /\nADD " + server.URL + "/text /"), "src", "", "one ADD of"},
		{"other instructions", stage("ADD " + server.URL + "/says /\nENV A=b"), "src", "", "without ENV"},
		{"another base", strings.Replace(stage("ADD "+server.URL+"/says /"), "scratch", "busybox", 1), "src", "", "not FROM busybox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newBench(t, nil)
			w.made = time.Unix(1_200_000_000, 0)
			other, bare := openTemp(t), openTemp(t)
			other.Made = time.Unix(1_250_000_000, 0)
			w.options.Contexts = map[string]NamedContext{"other": {Dir: other}, "bare": {Dir: bare}}
			w.options.Git = &forge{t: t, main: "abc"}
			if c.arg != "" {
				w.options.Args = map[string]string{"SOURCE_DATE_EPOCH": strings.TrimPrefix(c.arg, "=")}
			}
			img, err := w.image(c.file)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Config.Labels["at"]; got != c.want {
				t.Errorf("instructions see %q, want %q", got, c.want)
			}
			if got := strconv.FormatInt(config.Created.Unix(), 10); c.want != "" && got != c.want {
				t.Errorf("created %s, want %s", got, c.want)
			}
		})
	}
}

// tarOfTimes makes an archive of files with those times.
func tarOfTimes(t *testing.T, times ...int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i, at := range times {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strconv.Itoa(i), Mode: 0o644, ModTime: time.Unix(at, 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openTemp(t *testing.T) *Context {
	t.Helper()
	c, err := OpenContext(t.TempDir(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
