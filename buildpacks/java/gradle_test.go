package java

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

// fakeGradle stands for Gradle: it makes an installation as the plugin "application" does.
const fakeGradle = `#!/bin/sh
mkdir -p build/install/app/bin build/install/app/lib build/libs
cp app.jar build/install/app/lib/app.jar
cp app.jar build/libs/app.jar
printf 'CLASSPATH=$APP_HOME/lib/app.jar\n\nset -- \\\n        -classpath "$CLASSPATH" \\\n        a.App \\\n        "$@"\n' > build/install/app/bin/app
echo "$@" > arguments
`

// TestGradle builds with a distribution of a mirror.
func TestGradle(t *testing.T) {
	distribution := zipOf(t, time.Now(), "gradle-9.1/bin/gradle", fakeGradle, "gradle-9.1/lib/x.jar", "")
	sum := sha256.Sum256(distribution)
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Path != "/dist/gradle-9.1-bin.zip" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(distribution)
	}))
	defer server.Close()
	layers := libcnb.Layers{Path: t.TempDir()}
	build := func(mirror, sum string) (*layout, *kit.App, error) {
		app := files{"build.gradle": "plugins { id 'application' }\n", "app.jar": string(zipOf(t, time.Now(), "a/App.class", class(17))),
			gradleWrapper: "distributionUrl=https\\://example.com/gradle-9.1-bin.zip\ndistributionSha256Sum=" + sum + "\n"}.open(t)
		b := &builder{app: app, env: kit.Env{envGradle: mirror, envKeep: "arguments", "PATH": os.Getenv("PATH")}, jdk: jdk{Home: "/jdk"}}
		b.bc.Layers, b.bc.ApplicationPath, b.bc.Logger = layers, app.Dir, kit.Log{}
		l, _, err := b.gradle(t.Context(), "build.gradle")
		return l, app, err
	}
	if _, _, err := build(server.URL+"/other", ""); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a mirror without it: %v", err)
	}
	if _, _, err := build(server.URL+"/dist", "0123"); err == nil || !strings.Contains(err.Error(), "its sha256 is") {
		t.Errorf("another digest: %v", err)
	}
	requests = 0
	for range 2 {
		l, app, err := build(server.URL+"/dist", hex.EncodeToString(sum[:]))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"java", "a.App"}, l.Command); diff != "" {
			t.Errorf("command (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"arguments", "lib/app.jar"}, list(t, app)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if data, err := app.Read("arguments"); err != nil || !strings.Contains(string(data), "-x test installDist") {
			t.Errorf("arguments: %q, %v", data, err)
		}
	}
	if requests != 1 {
		t.Errorf("the distribution was fetched %d times", requests)
	}
}
