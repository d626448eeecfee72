package ruby

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

const (
	rackGems = `source "https://gems.example.com"

ruby "~> 3.3", ">= 3.3.1"
gem "rack"
gem "puma", "~> 6"
gem "pg"
# gem "gone"
`
	rackLock = `GEM
  remote: https://gems.example.com/
  specs:
    nio4r (2.7.5)
    pg (1.5.9)
    puma (6.6.0)
      nio4r (~> 2.0)
    nokogiri (1.18.0-x86_64-linux-gnu)
    rack (3.1.16)

PLATFORMS
  ruby
  x86_64-linux

DEPENDENCIES
  pg
  puma (~> 6)
  rack

RUBY VERSION
   ruby 3.3.8p144

BUNDLED WITH
   2.6.7
`
)

func TestDetect(t *testing.T) {
	rails := files{"config/application.rb": "", "config.ru": "", "Rakefile": "", "Gemfile": "gem 'rails'\ngem \"puma\"\ngem 'propshaft'\n",
		"config/puma.rb": "port ENV.fetch('PORT', 3000)\n", "db/migrate/1.rb": ""}
	for _, c := range []struct {
		name  string
		files files
		env   kit.Env
		want  string
	}{
		{"nothing", files{"a.txt": ""}, nil, "no Gemfile, no config.ru"},
		{"only a script", files{"Gemfile": "", "app.rb": "puts 1"}, nil, "web starts ruby app.rb"},
		{"tooling", files{"Gemfile": "gem 'fastlane'\n"}, nil, "but nothing to start"},
		{"another language", files{"Gemfile": "", "Procfile": "web: node server.js"}, nil, "but nothing to start"},
		{"Procfile", files{"Procfile": "web: PORT=1 bundle exec ruby app.rb"}, nil, "web is the Procfile's: PORT=1 bundle exec ruby app.rb"},
		{"rack", files{"Gemfile": rackGems, "Gemfile.lock": rackLock, "config.ru": ""}, nil,
			"Ruby, ~> 3.3, >= 3.3.1 (Gemfile:3) and 3.3.8 (Gemfile.lock:21), bundle install; web starts puma --bind tcp://0.0.0.0:$(PORT)"},
		{"no server", files{"Gemfile": "gem 'rack'\n", "config.ru": ""}, nil, "no server among the gems: add puma"},
		{"webrick", files{"Gemfile": "gem 'webrick'\n", "config.ru": ""}, nil, "rackup --host 0.0.0.0 --port $(PORT)"},
		{"sinatra", files{"Gemfile": "gem 'sinatra'\n", "app.rb": "require 'sinatra'\n"}, nil, "web starts ruby app.rb"},
		{"script", files{"Gemfile": "", "main.rb": "p = ENV.fetch(\"PORT\")\n"}, nil, "no gems; web starts ruby main.rb"},
		{"rails", rails, nil, "bundler without a lock; web starts puma --config config/puma.rb"},
		{"drift", files{"Gemfile": rackGems + "gem 'sinatra'\n", "Gemfile.lock": rackLock, "config.ru": ""}, nil,
			"Gemfile.lock is not in sync with Gemfile: it does not have sinatra (Gemfile:8)"},
		{"conditional", files{"Gemfile": rackGems + "gem 'sinatra' if ENV['X']\n", "Gemfile.lock": rackLock, "config.ru": ""}, nil, "bundle install;"},
		{"conflict", files{"Gemfile": "", "Gemfile.lock": "<<<<<<< HEAD\n", "config.ru": ""}, nil, "marks of a conflict"},
		{"ruby file", files{"Gemfile": "ruby file: '.ruby-version'\ngem 'puma'\n", ".ruby-version": "ruby-3.2.1-p3\n", "config.ru": ""}, nil,
			"3.2.1 (.ruby-version:1)"},
		{"tool versions", files{"Gemfile": "gem 'puma'\n", ".tool-versions": "node 20\nruby 3.1\n", "config.ru": ""}, nil, "3.1 (.tool-versions:2)"},
		{"mise", files{"Gemfile": "gem 'puma'\n", "mise.toml": "[tools]\nruby = \"3.4\"\n", "config.ru": ""}, nil, "3.4 (mise.toml:2)"},
		{"override", files{"Gemfile": rackGems, "config.ru": ""}, kit.Env{envVersion: "3.1"}, "Ruby, 3.1 (S2I_RUBY_VERSION),"},
		{"bad setting", files{"Gemfile": "", "config.ru": ""}, kit.Env{envGems: "x"}, "it can be debian"},
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
	for _, c := range []struct {
		files files
		env   kit.Env
		want  []string
	}{
		{files{"Gemfile": rackGems, "Gemfile.lock": rackLock, "config.ru": ""}, nil,
			[]string{"ruby", "ruby", "build-essential", "libpq-dev", "libssl-dev"}},
		{files{"Gemfile": "gem 'sinatra'\ngem 'puma'\ngem 'own', path: 'own'\n", "config.ru": ""}, kit.Env{envGems: "debian"},
			[]string{"ruby", "ruby-sinatra", "puma"}},
		{files{"Procfile": "web: ruby app.rb"}, nil, []string{"ruby"}},
	} {
		_, result, err := detect(t, c.files, c.env)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range result.Plans[0].Requires {
			if !strings.Contains(r.Name, "/") {
				got = append(got, r.Name)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("needs (-want +got):\n%s", diff)
		}
	}
}

func TestParseLock(t *testing.T) {
	l, err := parseLock([]byte(rackLock + "\nPATH\n  remote: x\n  specs:\n    own (1.0)\n"))
	if err != nil {
		t.Fatal(err)
	}
	if l.Gems["puma"] != "6.6.0" || l.Gems["nio4r"] != "2.7.5" || l.Lines["pg"] != 5 || l.Local != 1 || len(l.Platforms) != 2 ||
		l.Bundler != "2.6.7" || len(l.Remotes) != 1 || !l.Dependencies["pg"] {
		t.Errorf("got %+v", l)
	}
	gems, _ := l.compiled()
	if diff := cmp.Diff([]string{"nio4r", "pg", "puma"}, gems); diff != "" {
		t.Errorf("to be compiled:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(rackGems), []byte(rackLock))
	f.Add([]byte("ruby file: \".ruby-version\"\ngem 'x', path: 'y'"), []byte("GIT\n  remote: x\n  specs:\n    a (1)\nDEPENDENCIES\n  a!\n"))
	f.Fuzz(func(t *testing.T, gems, lock []byte) {
		g := parseGemfile(gems)
		if len(g.Order) != len(g.Gems) {
			t.Errorf("%d gems in order, %d in all", len(g.Order), len(g.Gems))
		}
		l, err := parseLock(lock)
		if err != nil {
			return
		}
		drift(g, l)
		l.compiled()
		for name, line := range l.Lines {
			if line < 1 || l.Gems[name] == "" && line < 1 {
				t.Errorf("%s stands on line %d", name, line)
			}
		}
	})
}

func FuzzToolVersion(f *testing.F) {
	f.Add("3.3.1\n", "ruby 3.1")
	f.Fuzz(func(t *testing.T, version, tools string) {
		app, err := kit.OpenApp(write(t, files{".ruby-version": version, ".tool-versions": tools}))
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close()
		for _, file := range []string{".ruby-version", ".tool-versions"} {
			if c := toolVersion(app, file); strings.ContainsAny(c.Value, " \n") {
				t.Errorf("%s: %q", file, c.Value)
			}
		}
	})
}
