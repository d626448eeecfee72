package maven_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/fetch"
	"s2i/stacks/maven"
	"s2i/stacks/stacktest"
)

const metadata = `<?xml version="1.0"?><metadata><groupId>org.example</groupId><versioning><release>2.0</release>
<versions><version>1.0</version><version>2.0</version></versions></versioning></metadata>`

func TestRepository(t *testing.T) {
	s := stacktest.NewServer(t)
	s.Put("/repo/org/example/tool/maven-metadata.xml", []byte(metadata))
	s.Put("/repo/org/example/tool/2.0/tool-2.0-bin.tar.gz", []byte("archive"))
	s.Put("/repo/org/example/tool/2.0/tool-2.0-bin.tar.gz.sha512", []byte(strings.Repeat("AB", 64)+"  tool-2.0-bin.tar.gz\n"))
	s.Put("/repo/org/example/tool/1.0/tool-1.0-bin.tar.gz.sha512", []byte("<html>"))
	a, err := maven.ParseCoordinates("org.example:tool:bin@tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	r := &maven.Repository{Site: fetch.NewSite(s.URL+"/repo/", fetch.Netrc{}), Fetch: fetch.New()}
	versions, err := r.Versions(context.Background(), a)
	if diff := cmp.Diff([]string{"1.0", "2.0"}, versions); diff != "" || err != nil {
		t.Error(diff, err)
	}
	a.Version = "2.0"
	if sum, err := r.Sum(context.Background(), a, "sha512"); err != nil || sum != strings.Repeat("ab", 64) {
		t.Error(sum, err)
	}
	if _, err := r.Sum(context.Background(), a, "sha1"); !fetch.Gone(err) {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := r.Get(context.Background(), a, &b, 0); err != nil || b.String() != "archive" {
		t.Error(b.String(), err)
	}
	a.Version = "1.0"
	if _, err := r.Sum(context.Background(), a, "sha512"); err == nil {
		t.Error("a page was taken for a digest")
	}
	for _, bad := range []string{"", "a", "a:b", "a@b", "a:b:c:d@e", "a:b@"} {
		if _, err := maven.ParseCoordinates(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSettings(t *testing.T) {
	s := stacktest.NewServer(t)
	s.Put("/org/example/tool/maven-metadata.xml", []byte(metadata))
	var user, password string
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool { user, password, _ = r.BasicAuth(); return false }
	for _, c := range []struct{ name, mirror, server, want, user string }{
		{"all", "<id>m</id><mirrorOf>*</mirrorOf>", "", s.URL, ""},
		{"central", "<id>m</id><mirrorOf> snapshots , central </mirrorOf>", "<id>m</id><username>me</username><password>${env.PW}</password>", s.URL, "me:secret"},
		{"external", "<id>m</id><mirrorOf>external:*,!repo</mirrorOf>", "<id>other</id><username>me</username><password>x</password>", s.URL, ""},
		{"not central", "<id>m</id><mirrorOf>*,!central</mirrorOf>", "", "", ""},
		{"blocked", "<id>m</id><mirrorOf>*</mirrorOf><blocked>true</blocked>", "", "", ""},
		{"encrypted", "<id>m</id><mirrorOf>*</mirrorOf>", "<id>m</id><username>me</username><password>{abc=}</password>", s.URL, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.MkdirAll(filepath.Join(home, ".m2"), 0o755); err != nil {
				t.Fatal(err)
			}
			text := `<settings><servers><server>` + c.server + `</server></servers>
<mirrors><mirror><url>` + s.URL + `/</url>` + c.mirror + `</mirror></mirrors></settings>`
			if err := os.WriteFile(filepath.Join(home, ".m2", "settings.xml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			config := maven.ReadConfig(func(k string) string { return map[string]string{"HOME": home, "PW": "secret"}[k] })
			if config.Base != c.want {
				t.Fatalf("%q, want %q", config.Base, c.want)
			}
			if c.want == "" {
				return
			}
			user, password = "", ""
			r := &maven.Repository{Site: config, Fetch: fetch.New()}
			if _, err := r.Versions(context.Background(), maven.Artifact{Group: "org.example", Name: "tool"}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Trim(user+":"+password, ":"); got != c.user {
				t.Errorf("asked as %q, want %q", got, c.user)
			}
		})
	}
}

// TestBillionLaughs: settings are the user's own, but a document that defines entities must not be expanded anyway.
func TestBillionLaughs(t *testing.T) {
	s := stacktest.NewServer(t)
	s.Put("/a/b/maven-metadata.xml", []byte(`<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<metadata><versioning><versions><version>&b;</version></versions></versioning></metadata>`))
	r := &maven.Repository{Site: fetch.NewSite(s.URL, fetch.Netrc{}), Fetch: fetch.New()}
	if list, err := r.Versions(context.Background(), maven.Artifact{Group: "a", Name: "b"}); err == nil {
		t.Errorf("read %q", list)
	}
}

func FuzzVersions(f *testing.F) {
	f.Add(metadata)
	s := stacktest.NewServer(f)
	f.Fuzz(func(_ *testing.T, text string) {
		s.Put("/a/b/maven-metadata.xml", []byte(text))
		r := &maven.Repository{Site: fetch.NewSite(s.URL, fetch.Netrc{}), Fetch: fetch.New()}
		_, _ = r.Versions(context.Background(), maven.Artifact{Group: "a", Name: "b"}) // it must only not panic
	})
}
