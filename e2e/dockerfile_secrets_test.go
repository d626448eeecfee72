//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerfileSecrets builds with a secret, an ssh agent, a registry that asks for a password and a cache in another one
// with a password of its own, and looks for them in every byte that is left: the stores, the image, the cache, what was
// printed.
func TestDockerfileSecrets(t *testing.T) {
	t.Parallel()
	const secret, password, key = "tell-nobody-7f3a9c", "pass-word-51b2e8", "agent-key-c40d77"
	const cachePassword = "cache-word-9d10f4"
	host, basic := privateRegistry(t, password)
	cacheHost, cacheBasic := privateRegistry(t, cachePassword)
	dir := write(t, t.TempDir(), map[string]string{
		"base/Dockerfile": "FROM base\n",
		"auth.json":       fmt.Sprintf(`{"auths":{%q:{"auth":%q},%q:{"auth":%q}}}`, host, basic, cacheHost, cacheBasic),
		"secret":          secret,
		"app/Dockerfile": "FROM " + host + "/private/base:1\n" +
			"RUN --mount=type=secret,id=s,required grep -q " + secret[:4] + " /run/secrets/s && wc -c </run/secrets/s >/size\n" +
			"RUN --mount=type=secret,id=s,env=TOKEN test ${#TOKEN} = 18\n" +
			"RUN --mount=type=secret,id=s,target=/etc/token,mode=0444 wc -c </etc/token >>/size\n" +
			"RUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK\n",
	})
	agent := filepath.Join(shared.dir, "agent.sock")
	l, err := net.Listen("unix", agent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, _ = io.WriteString(c, key)
			_ = c.Close()
		}
	}()
	auth, store := "REGISTRY_AUTH_FILE="+filepath.Join(dir, "auth.json"), ownStore(t)
	withEnv(s2i("build", "--strategy", "dockerfile", filepath.Join(dir, "base"), "-t", host+"/private/base:1",
		"--build-context", "base=oci-layout://"+strings.TrimPrefix(dockerfileBase(t), "oci:")), auth).run(t)
	image, cache := filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "cache")
	out, log, err := withEnv(in(store, "--progress", "plain", "build", "--strategy", "dockerfile", filepath.Join(dir, "app"), "-t", "oci:"+image+":1",
		"-t", host+"/private/app:1", "--secret", "id=s,src="+filepath.Join(dir, "secret"), "--ssh", "default="+agent,
		"--cache-to", "type=registry,mode=max,ref="+cacheHost+"/private/cache:1", "--cache-to", "type=local,mode=max,dest="+cache), auth).try(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	other := ownStore(t)
	again := filepath.Join(t.TempDir(), "image")
	out2, log2, err := withEnv(in(other, "--progress", "plain", "build", "--strategy", "dockerfile", filepath.Join(dir, "app"), "-t", "oci:"+again+":1",
		"--cache-from", "type=registry,ref="+cacheHost+"/private/cache:1"), auth).try(t.Context())
	if err != nil || digestOf(t, out2) != digestOf(t, strings.Split(out, "\n")[0]) {
		t.Fatalf("from the cache, without secrets: %v\n%s%s%s", err, out, out2, log2)
	}
	words := map[string]string{"the secret": secret, "the password": password, "the encoded password": basic, "the agent's key": key,
		"the cache's password": cachePassword, "the encoded password of the cache": cacheBasic,
		"the encoded secret": base64.StdEncoding.EncodeToString([]byte(secret))}
	nowhere(t, words, "what was printed", strings.NewReader(out+log+out2+log2))
	for _, root := range []string{store, image, cache, other, again} {
		nowhereBelow(t, words, root)
	}
	if got := unpackImage(t, image).describe("/size"); got != "18\n18" {
		t.Errorf("/size is %q", got)
	}
}

// privateRegistry is the registry under an address of its own, which asks for a password.
func privateRegistry(t *testing.T, password string) (host, basic string) {
	t.Helper()
	basic = base64.StdEncoding.EncodeToString([]byte("user:" + password))
	registry := registryProxy(t)
	registry.set(fault{answer: func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Header.Get("Authorization") == "Basic "+basic {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}})
	return strings.TrimPrefix(registry.url, "http://"), basic
}

// nowhereBelow looks for words in every file below root, compressed ones included.
func nowhereBelow(t *testing.T, words map[string]string, root string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/downloads/") {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		nowhere(t, words, path, bytes.NewReader(data))
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			nowhere(t, words, "the content of "+path, z)
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Fatalf("%d files below %s: %v", files, root, err)
	}
}

func nowhere(t *testing.T, words map[string]string, where string, r io.Reader) {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("reading %s: %v", where, err)
	}
	for name, w := range words {
		if bytes.Contains(data, []byte(w)) {
			t.Errorf("%s is in %s", name, where)
		}
	}
}
