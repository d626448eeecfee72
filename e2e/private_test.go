//go:build e2e

package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/md5"  //nolint:gosec // what an index of gems calls its checksum
	"crypto/sha1" //nolint:gosec // what npm calls shasum
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// registryToken is what the registries of these tests want to see.
const registryToken = "sesame-open-4711-0815"

// tarball packs files as npm and cargo do.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	tw := tar.NewWriter(zip)
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// guarded starts a server that answers only who shows the token, and counts whom it turned away.
func guarded(t *testing.T, authorization string, answer func(w http.ResponseWriter, r *http.Request)) (url string, refused *atomic.Int32) {
	t.Helper()
	refused = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != authorization {
			refused.Add(1)
			w.Header().Set("WWW-Authenticate", "Cargo login_url=\"https://registry.example.com/me\"")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, refused
}

// npmRegistry has one package, @acme/greet.
func npmRegistry(t *testing.T) string {
	t.Helper()
	pack := tarball(t, map[string]string{
		"package/package.json": `{"name": "@acme/greet", "version": "1.0.0", "main": "index.js"}`,
		"package/index.js":     `module.exports = () => "hello from a private package";`,
	})
	short, long := sha1.Sum(pack), sha512.Sum512(pack) //nolint:gosec // what npm calls shasum
	url, _ := guarded(t, "Bearer "+registryToken, func(w http.ResponseWriter, r *http.Request) {
		switch strings.ToLower(r.URL.EscapedPath()) {
		case "/@acme%2fgreet", "/@acme/greet":
			version := map[string]any{"name": "@acme/greet", "version": "1.0.0", "main": "index.js", "dist": map[string]string{
				"tarball": "http://" + r.Host + "/@acme/greet/-/greet-1.0.0.tgz", "shasum": hex.EncodeToString(short[:]),
				"integrity": "sha512-" + base64.StdEncoding.EncodeToString(long[:])}}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"name": "@acme/greet", "dist-tags": map[string]string{"latest": "1.0.0"},
				"versions": map[string]any{"1.0.0": version}, "time": map[string]string{"1.0.0": "2020-01-01T00:00:00.000Z"}})
		case "/@acme/greet/-/greet-1.0.0.tgz":
			_, _ = w.Write(pack)
		default:
			http.NotFound(w, r)
		}
	})
	return url
}

// cargoRegistry is a sparse registry with one crate, greet.
func cargoRegistry(t *testing.T) string {
	t.Helper()
	crate := tarball(t, map[string]string{
		"greet-1.0.0/Cargo.toml": "[package]\nname = \"greet\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
		"greet-1.0.0/src/lib.rs": "pub fn text() -> &'static str { \"hello from a private crate\" }\n",
	})
	sum := sha256.Sum256(crate)
	url, _ := guarded(t, registryToken, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/index/config.json":
			fmt.Fprintf(w, `{"dl": "http://%s/dl", "api": "http://%s", "auth-required": true}`, r.Host, r.Host)
		case "/index/gr/ee/greet":
			fmt.Fprintf(w, `{"name":"greet","vers":"1.0.0","deps":[],"cksum":"%s","features":{},"yanked":false}`+"\n",
				hex.EncodeToString(sum[:]))
		case "/dl/greet/1.0.0/download":
			_, _ = w.Write(crate)
		default:
			http.NotFound(w, r)
		}
	})
	return url
}

// gemServer has one gem, greet, for who knows user and password.
func gemServer(t *testing.T) string {
	t.Helper()
	gzipped := func(text string) string {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		_, err := io.WriteString(zip, text)
		if err := errors.Join(err, zip.Close()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	any := "!ruby/object:Gem::Requirement\n  requirements:\n  - - \">=\"\n    - !ruby/object:Gem::Version\n      version: '0'\n"
	data := tarball(t, map[string]string{"lib/greet.rb": "GREETING = 'hello from a private gem'\n"})
	gem := unzipped(t, tarball(t, map[string]string{"data.tar.gz": string(data), "metadata.gz": gzipped(
		"--- !ruby/object:Gem::Specification\nname: greet\nversion: !ruby/object:Gem::Version\n  version: 1.0.0\n" +
			"platform: ruby\nauthors: [us]\ndate: 2024-01-01 00:00:00.000000000 Z\ndependencies: []\n" +
			"files: [lib/greet.rb]\nrequire_paths: [lib]\nsummary: greets\nspecification_version: 4\n" +
			"required_ruby_version: " + any + "required_rubygems_version: " + any + "rubygems_version: 3.4.0\n")}))
	info := fmt.Sprintf("---\n1.0.0 |checksum:%x\n", sha256.Sum256(gem))
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+registryToken))
	url, _ := guarded(t, basic, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/versions":
			fmt.Fprintf(w, "created_at: 2024-01-01T00:00:00Z\n---\ngreet 1.0.0 %x\n", md5.Sum([]byte(info))) //nolint:gosec // the format's
		case "/info/greet":
			_, _ = io.WriteString(w, info)
		case "/gems/greet-1.0.0.gem":
			_, _ = w.Write(gem)
		default:
			http.NotFound(w, r)
		}
	})
	return url
}

func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(zip); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestPrivateGems builds an app whose gems come from a mirror that wants a password: Bundler's configuration has it under
// the name of the host, or a secret is called like the variable for the host.
func TestPrivateGems(t *testing.T) {
	t.Parallel()
	url := gemServer(t)
	given := write(t, t.TempDir(), map[string]string{"password": "me:" + registryToken + "\n"})
	bindings := write(t, t.TempDir(), map[string]string{"gems/type": "bundler", "gems/config": "---\n" +
		"BUNDLE_MIRROR__HTTPS://GEMS__EXAMPLE__COM/: \"" + url + "/\"\nBUNDLE_127__0__0__1: \"me:" + registryToken + "\"\n"})
	src := write(t, t.TempDir(), map[string]string{
		"Gemfile": "source \"https://gems.example.com\"\ngem \"greet\"\n",
		"app.rb": `require "greet"
require "socket"
server = TCPServer.new("0.0.0.0", ENV.fetch("PORT"))
loop do
  client = server.accept
  client.gets
  client.write "HTTP/1.1 200 OK\r\nContent-Length: #{GREETING.length}\r\nConnection: close\r\n\r\n#{GREETING}"
  client.close
end
`})
	store := ownStore(t)
	out, log, err := in(store, "build", src, "-t", "private-gems", "--bindings", bindings).try(t.Context())
	if err != nil {
		t.Fatalf("with the password: %v\n%s%s", err, out, log)
	}
	port := freePort()
	in(store, "run", "-e", "PORT="+port, "private-gems").serve(t)
	if _, body := get(t, "http://127.0.0.1:"+port+"/"); body != "hello from a private gem" {
		t.Errorf("answered %q", body)
	}
	write(t, src, map[string]string{"Gemfile": "source \"" + url + "\"\ngem \"greet\"\n"})
	again, more, err := in(store, "build", src, "-t", "private-gems", "--secret",
		"id=BUNDLE_127__0__0__1,src="+filepath.Join(given, "password")).try(t.Context())
	if err != nil {
		t.Fatalf("with the password as a secret: %v\n%s%s", err, again, more)
	}
	if strings.Contains(out+log+again+more, registryToken) {
		t.Error("the password is in the log")
	}
	for _, file := range filesWith(t, store, registryToken) {
		t.Errorf("the password is in %s", file)
	}
}

// TestPrivateRegistries builds apps whose packages come from registries that want a token, first without it and then
// with it, and looks for the token in everything that is left: the store with its layers and caches, and the log.
func TestPrivateRegistries(t *testing.T) {
	t.Parallel()
	token := filepath.Join(write(t, t.TempDir(), map[string]string{"token": registryToken + "\n"}), "token")
	const server = `const greet = require("@acme/greet");
require("http").createServer((q, r) => r.end(greet())).listen(process.env.PORT);`
	node := func(more map[string]string, manager string) map[string]string {
		more["server.js"] = server
		more["package.json"] = `{"name": "app", "private": true, "packageManager": "` + manager + `",
			"scripts": {"start": "node server.js"}, "dependencies": {"@acme/greet": "1.0.0"}}`
		return more
	}
	npm := npmRegistry(t)
	host := strings.TrimPrefix(npm, "http:")
	npmrc := "@acme:registry=" + npm + "/\n" + host + "/:_authToken=${NPM_TOKEN}\n"
	crates := cargoRegistry(t)
	for _, c := range []struct {
		name, secret, refused, want string
		files                       map[string]string
	}{
		{"npm", "NPM_TOKEN", "401", "hello from a private package", node(map[string]string{".npmrc": npmrc}, "npm@11.6.2")},
		{"pnpm", "NPM_TOKEN", "pass its value as a secret", "hello from a private package", node(map[string]string{".npmrc": npmrc}, "pnpm@10.34.9")},
		{"berry", "NPM_TOKEN", "", "hello from a private package", node(map[string]string{".yarnrc.yml": "unsafeHttpWhitelist: [127.0.0.1]\n" +
			"npmScopes:\n  acme:\n    npmAlwaysAuth: true\n    npmRegistryServer: \"" + npm + "\"\n    npmAuthToken: \"${NPM_TOKEN-}\"\n"},
			"yarn@4.9.1")},
		{"cargo", "CARGO_REGISTRIES_ACME_TOKEN", "token", "hello from a private crate", map[string]string{
			".cargo/config.toml": "[registries.acme]\nindex = \"sparse+" + crates + "/index/\"\n",
			"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n" +
				"greet = { version = \"1\", registry = \"acme\" }\n",
			"src/main.rs": `use std::io::{Read, Write};
fn main() {
    let port = std::env::var("PORT").unwrap();
    for stream in std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap().incoming() {
        let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
        let _ = stream.read(&mut head);
        let text = greet::text();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
    }
}
`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, src := ownStore(t), write(t, t.TempDir(), c.files)
			image := "private-" + c.name
			errOut := in(store, "build", src, "-t", image).fails(t, 51)
			if !strings.Contains(strings.ToLower(errOut), c.refused) {
				t.Errorf("without a token:\n%s", errOut)
			}
			out, log, err := in(store, "build", src, "-t", image, "--secret", "id="+c.secret+",src="+token).try(t.Context())
			if err != nil {
				t.Fatalf("with the token: %v\n%s%s", err, out, log)
			}
			port := freePort()
			in(store, "run", "-e", "PORT="+port, image).serve(t)
			if _, body := get(t, "http://127.0.0.1:"+port+"/"); body != c.want {
				t.Errorf("answered %q", body)
			}
			if strings.Contains(out+log, registryToken) {
				t.Error("the token is in the log")
			}
			for _, file := range filesWith(t, store, registryToken) {
				t.Errorf("the token is in %s", file)
			}
		})
	}
}

// filesWith gives the files below dir, unpacked when they are compressed, in which a text is. Downloads of the stack are
// not looked at.
func filesWith(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && os.IsPermission(err):
			return nil
		case err != nil:
			return err
		case d.IsDir() && name == filepath.Join(dir, "downloads"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if has(f, text) {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// has tells whether a stream, unpacked when it is compressed, has a text.
func has(r io.Reader, text string) bool {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if zip, err := gzip.NewReader(in); err == nil {
			in = bufio.NewReaderSize(zip, 64<<10)
		}
	}
	window := make([]byte, 0, 128<<10)
	buffer := make([]byte, 64<<10)
	for {
		n, err := in.Read(buffer)
		window = append(window, buffer[:n]...)
		if bytes.Contains(window, []byte(text)) {
			return true
		}
		if keep := len(text); len(window) > keep {
			window = append(window[:0], window[len(window)-keep:]...)
		}
		if err != nil {
			return false
		}
	}
}
