//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// watched is the registry behind a proxy that writes down which layers are fetched.
type watched struct {
	host string
	mu   sync.Mutex
	gets []string
}

func watchRegistry(t *testing.T) *watched {
	t.Helper()
	to, err := url.Parse("http://" + shared.registry)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w.mu.Lock()
			w.gets = append(w.gets, r.URL.Path)
			w.mu.Unlock()
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	return w
}

// blobs gives how many blobs were fetched since it was last asked.
func (w *watched) blobs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.gets)
	w.gets = nil
	return n
}

// The commands leave something else each time: the same image means that none of them ran.
const cachedDockerfile = `FROM base AS tools
RUN cat /proc/sys/kernel/random/uuid >/tool
FROM base AS build
COPY src /src
RUN cat /src/a /proc/sys/kernel/random/uuid >/out
FROM base
COPY --from=tools /tool /tool
COPY --from=build /out /out
RUN cat /proc/sys/kernel/random/uuid >/id
`

// TestDockerfileCaches builds on one machine, and on others that have nothing but the cache that the first left.
func TestDockerfileCaches(t *testing.T) {
	t.Parallel()
	base := strings.Replace(dockerfileBase(t), "oci:", "oci-layout://", 1)
	reg := watchRegistry(t)
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": cachedDockerfile, "src/a": "1", "other": "1", ".dockerignore": "other\n"})
	build := func(t *testing.T, tag string, options ...string) string {
		t.Helper()
		out := in(ownStore(t), append([]string{"build", "--strategy", "dockerfile", dir, "-t", reg.host + "/" + tag,
			"--build-context", "base=" + base}, options...)...).run(t)
		_, digest, _ := strings.Cut(strings.Split(out, "\n")[0], "@")
		return digest
	}
	local := filepath.Join(t.TempDir(), "cache")
	for _, c := range []struct {
		name, to, from string
		blobs          int // the configuration of the cache
	}{
		{"min", "type=registry,ref=" + reg.host + "/cached/min:cache", reg.host + "/cached/min:cache", 1},
		{"max", "type=registry,mode=max,ref=" + reg.host + "/cached/max:cache", "type=registry,ref=" + reg.host + "/cached/max:cache", 1},
		{"inline", "type=inline", reg.host + "/cached/inline:1", 1},
		{"directory", "type=local,mode=max,compression=zstd,dest=" + local, "type=local,src=" + local, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := []string{"--cache-to", c.to}
			first := build(t, "cached/"+c.name+":1", options...)
			reg.blobs()
			if c.to != "type=inline" {
				options = nil // the second image would be another one without it
			}
			second := build(t, "cached/"+c.name+":2", append(options, "--cache-from", c.from)...)
			if first != second {
				t.Errorf("built %s, then with the cache %s", first, second)
			}
			if n := reg.blobs(); n != c.blobs {
				t.Errorf("%d blobs were fetched, want %d", n, c.blobs)
			}
		})
	}
	t.Run("one more command", func(t *testing.T) {
		text := cachedDockerfile + "RUN true\n"
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		reg.blobs()
		build(t, "cached/more:1", "--cache-from", reg.host+"/cached/none:1", "--cache-from", reg.host+"/cached/max:cache")
		if n := reg.blobs(); n != 4 {
			t.Errorf("%d blobs were fetched, want the cache's configuration and the three layers of the last stage", n)
		}
	})
	t.Run("of no use", func(t *testing.T) {
		for spec, words := range map[string]string{
			"type=gha": "registry, local and inline", "type=registry": "ref=REF", "type=local": "src=DIR",
			"type=registry,ref=x:1,frob=1": "frob", "type=registry,ref=" + reg.host + "/x,mode=most": "min nor max",
		} {
			s2i("build", "--strategy", "dockerfile", dir, "--cache-to", spec).fails(t, 3, words)
		}
	})
}

// TestCacheMounts has builds at once, in processes of their own, that count in one cache.
func TestCacheMounts(t *testing.T) {
	t.Parallel()
	base := strings.Replace(dockerfileBase(t), "oci:", "oci-layout://", 1)
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM base\nARG N\n" +
		"RUN --mount=type=cache,target=/c,sharing=locked n=$(cat /c/n 2>/dev/null || echo 0); sleep 0.3; echo $((n+1)) >/c/n; cp /c/n /n\n"})
	store := ownStore(t)
	var group sync.WaitGroup
	for _, n := range []string{"1", "2", "3"} {
		group.Go(func() {
			out, errOut, err := in(store, "build", "--strategy", "dockerfile", dir, "--build-context", "base="+base, "--build-arg", "N="+n).try(t.Context())
			if err != nil {
				t.Errorf("%v\n%s%s", err, out, errOut)
			}
		})
	}
	group.Wait()
	layout := filepath.Join(t.TempDir(), "out")
	in(store, "build", "--strategy", "dockerfile", dir, "--build-context", "base="+base, "--build-arg", "N=4", "-t", "oci:"+layout+":1").run(t)
	if got := unpackImage(t, layout).describe("/n"); got != "4" {
		t.Errorf("the fourth build counted to %s", got)
	}
	if out := in(store, "prune", "--list", "--only", "caches").run(t); !strings.Contains(out, `cache mount "/c"`) {
		t.Errorf("s2i prune --list does not show the cache:\n%s", out)
	}
	in(store, "prune", "--only", "caches").run(t)
	if out := in(store, "prune", "--list").run(t); strings.Contains(out, "cache mount") || !strings.Contains(out, "blobs") {
		t.Errorf("after s2i prune --only caches there is:\n%s", out)
	}
}

// TestSquash builds with and without --squash: the same files, in one layer over the base, which stays.
func TestSquash(t *testing.T) {
	t.Parallel()
	base := strings.Replace(dockerfileBase(t), "oci:", "oci-layout://", 1)
	dir := write(t, t.TempDir(), map[string]string{"a": "1", "Dockerfile": `FROM base
RUN mkdir -p /d/e && echo 1 >/d/e/f && ln /d/e/f /d/link && ln -s e /d/soft && chown 7:8 /d/e && chmod 4755 /d/e/f
COPY a /d/a
RUN rm /d/a /etc/group && rm -r /home* && mkdir /home && echo 2 >/d/new
RUN rm -r /d/e && mkdir -m 700 /d/e
`})
	var trees []*unpacked
	for i, options := range [][]string{nil, {"--squash"}} {
		layout := filepath.Join(t.TempDir(), "out")
		s2i(append([]string{"build", "--strategy", "dockerfile", dir, "--build-context", "base=" + base, "-t", "oci:" + layout + ":1"}, options...)...).run(t)
		trees = append(trees, unpackImage(t, layout))
		layers := strings.Count(command{name: "skopeo", args: []string{"inspect", "--format", "{{range .Layers}}L{{end}}", "oci:" + layout + ":1"}}.run(t), "L")
		below := strings.Count(command{name: "skopeo", args: []string{"inspect", "--format", "{{range .Layers}}L{{end}}",
			strings.Replace(base, "oci-layout://", "oci:", 1)}}.run(t), "L")
		if want := below + []int{4, 1}[i]; layers != want {
			t.Errorf("%v: %d layers, want %d", options, layers, want)
		}
	}
	if diff := cmp.Diff(trees[0].files, trees[1].files); diff != "" {
		t.Errorf("files (-layers +squashed):\n%s", diff)
	}
}
