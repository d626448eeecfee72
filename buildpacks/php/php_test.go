package php

import (
	"bytes"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

type files = map[string]string

func write(t testing.TB, all files) string {
	t.Helper()
	return kittest.Dir(t, all)
}

func detect(t testing.TB, all files, env kit.Env) (said string, result libcnb.DetectResult, err error) {
	t.Helper()
	var out bytes.Buffer
	result, err = Detect(libcnb.DetectContext{
		ApplicationPath: write(t, all), Logger: kit.Log{To: &out}, Platform: libcnb.Platform{Environment: env},
	})
	return out.String(), result, err
}

const lock = `{
  "packages": [
    {"name": "acme/a", "version": "1.2.0", "require": {"php": ">=8.1", "ext-intl": "*", "ext-zip": "*"},
     "replace": {"acme/old": "*"}, "dist": {"type": "zip"}},
    {"name": "symfony/polyfill-mbstring", "version": "1.3", "require": [], "dist": {"type": "zip"}},
    {"name": "acme/b", "version": "2.0", "require": {"php": "^8.2", "ext-mbstring": "*"}, "source": {"type": "git"}}
  ],
  "platform": []
}`

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name  string
		files files
		env   kit.Env
		want  string // the last line, or the error
	}{
		{"nothing", files{"a.txt": ""}, nil, "no index.php and no composer.json in the app"},
		{"library", files{"composer.json": "{}", "src/A.php": ""}, nil, "but no index.php to serve"},
		{"node with a page", files{"index.php": "", "package.json": `{"scripts":{"start":"node ."}}`}, nil, "package.json has a script start"},
		{"Procfile of another language", files{"index.php": "", "Procfile": "web: node server.js"}, nil, "the Procfile starts another language"},
		{"plain", files{"index.php": ""}, nil, "PHP, any version, no packages; web serves index.php"},
		{"root", files{"index.php": "", "public/index.php": ""}, nil, "web serves public/index.php"},
		{"own root", files{"site/a.php": ""}, kit.Env{envRoot: "site"}, "web serves S2I_PHP_ROOT"},
		{"no such root", files{"index.php": ""}, kit.Env{envRoot: "../x"}, "there is no such directory"},
		{"version", files{"index.php": "", ".php-version": "# ours\n8.3\n"}, nil, "PHP, 8.3 (.php-version:2), no packages"},
		{"override", files{"index.php": "", ".php-version": "8.3"}, kit.Env{envVersion: "8.2"}, "PHP, 8.2 (S2I_PHP_VERSION)"},
		{"broken", files{"index.php": "", "composer.json": "{"}, nil, "parsing composer.json"},
		{"no lock", files{"index.php": "", "composer.json": `{"require":{"acme/a":"^1"}}`}, nil, "composer without a lock"},
		{"drift", files{"index.php": "", "composer.json": `{"require":{"acme/c":"^1","acme/old":"*"}}`, "composer.lock": lock}, nil,
			"composer.lock is not in sync with composer.json: it does not have acme/c ^1"},
		{"vendored", files{"index.php": "", "composer.json": `{"require":{"acme/a":"^1"}}`, "vendor/autoload.php": ""}, nil,
			"the committed directory vendor"},
		{"vendored, out of sync", files{"index.php": "", "composer.json": `{}`, "composer.lock": lock, "vendor/autoload.php": "",
			"vendor/composer/installed.json": `{"packages":[{"name":"acme/a","version":"1.1.0"}]}`}, nil,
			"acme/a 1.2.0 (vendor has 1.1.0), acme/b 2.0 (vendor has none)"},
		{"extension that nobody has", files{"index.php": "", "composer.json": "{\n\"require\": {\n\"ext-frob\": \"*\"}}"}, nil,
			"composer.json:3 requires the extension frob"},
		{"settings", files{"index.php": "", ".php.ini.d/a.ini": "memory_limit = 64M\nextension=frob.so ; x\n"}, nil,
			".php.ini.d/a.ini:2 requires the extension frob"},
		{"Laravel", files{"public/index.php": "", "artisan": "", "composer.json": `{"require":{"laravel/framework":"^11"}}`}, nil,
			"Laravel on PHP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, _, err := detect(t, c.files, c.env)
			if err != nil {
				said += err.Error()
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("got %q, want %q in it", said, c.want)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	_, result, err := detect(t, files{
		"public/index.php": "<?php\n\n$c = curl_init('x');\nmb_strlen('a');", "vendor2/x.txt": "", "composer.lock": lock,
		"composer.json": `{"require":{"php":"^8.1","ext-gd":"*","ext-json":"*","acme/a":"^1"}}`,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range result.Plans[0].Requires {
		if !strings.Contains(r.Name, "/") {
			v, _ := r.Metadata["version"].(string)
			got = append(got, strings.TrimSpace(r.Name+" "+v))
		}
	}
	want := []string{"php ^8.1", "php >=8.1", "php ^8.2", "php-curl", "php-gd", "php-intl", "php-opcache", "php-zip", "php-curl", "git"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}

func TestRelease(t *testing.T) {
	for want, all := range map[string]files{
		"php artisan migrate --force": {"public/index.php": "", "artisan": "", "composer.json": `{"require":{"laravel/framework":"^11"}}`},
		"php bin/console doctrine:migrations:migrate --no-interaction --allow-no-migration": {"public/index.php": "", "bin/console": "",
			"composer.json": `{"require":{"symfony/framework-bundle":"^7","doctrine/doctrine-migrations-bundle":"^3"}}`},
		"": {"index.php": "", "composer.json": `{"require":{"slim/slim":"^4"}}`},
	} {
		app, err := kit.OpenApp(write(t, all))
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close()
		d, err := decide(app, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.release(), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzParse reads any composer.json, composer.lock and installed.json.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"require":{"php":"^8.1","ext-gd":"*","acme/a":"^1"}}`), []byte(lock), []byte(`{"packages":[]}`))
	f.Add([]byte(`[]`), []byte(`{"packages":{}}`), []byte(`[{"name":1}]`))
	f.Add([]byte(`{"require":[],"config":""}`), []byte(`{"packages":[{"require":[],"dist":null}]}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, manifest, lock, installed []byte) {
		m, err := parseManifest(manifest)
		if err != nil {
			return
		}
		d := &decision{manifest: m}
		at(fileManifest, manifest, "require", "php")
		if d.lock, err = parseLock(fileLock, lock); err != nil {
			return
		}
		d.drift()
		d.lock.sources()
		if l, err := parseLock(fileInstalled, installed); err == nil {
			vendored(l, d.lock)
		}
	})
}
