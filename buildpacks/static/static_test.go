package static

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		pass  bool
		said  string
	}{
		{"nothing", nil, nil, false, "no Staticfile and no index.html"},
		{"page", map[string]string{"index.html": ""}, nil, true, "static site in . (index.html)"},
		{"public", map[string]string{"public/index.html": ""}, nil, true, "static site in public (public/index.html)"},
		{"built", map[string]string{"dist/index.html": "", "package.json": `{"scripts":{"test":"x"}}`}, nil, true, "in dist"},
		{"to be built", map[string]string{"index.html": "", "package.json": `{"scripts":{"build":"vite build"}}`}, nil, false,
			"package.json has a script build (vite build)"},
		{"broken package.json", map[string]string{"index.html": "", "package.json": `{`}, nil, true, "in ."},
		{"part of an app", map[string]string{"docs/index.html": "", "go.mod": ""}, nil, false, "go.mod is there"},
		{"named", map[string]string{"x/a.html": "", "go.mod": ""}, map[string]string{envRoot: "x"}, true, "in x (S2I_STATIC_ROOT)"},
		{"outside", map[string]string{"a": ""}, map[string]string{envRoot: "../x"}, false, "is not inside the app"},
		{"Staticfile", map[string]string{"Staticfile": "root: web\n", "web/a.html": "", "go.mod": ""}, nil, true, "(Staticfile:1)"},
		{"Staticfile alone", map[string]string{"Staticfile": "", "a.html": ""}, nil, true, "in . (Staticfile)"},
		{"no such root", map[string]string{"Staticfile": "root: web\n"}, nil, false, "there is no such directory"},
		{"passwords", map[string]string{"Staticfile": "", "Staticfile.auth": "a:b"}, nil, false, "asks for no passwords"},
		{"setting", map[string]string{"index.html": ""}, map[string]string{envIndexFallback: "maybe"}, false, "neither true nor false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := kittest.Dir(t, c.files)
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{ApplicationPath: dir, Logger: kit.Log{To: &out},
				Platform: libcnb.Platform{Environment: c.env}})
			if err != nil {
				out.WriteString(err.Error())
			}
			if result.Pass != c.pass || !strings.Contains(out.String(), c.said) {
				t.Errorf("got %v, %v and said %q", result.Pass, err, out.String())
			}
		})
	}
}

func TestParse(t *testing.T) {
	s, err := parse([]byte("---\n# a site\nroot: ./web/ # here\npushstate: enabled\nforce_https: 'true'\n" +
		"http_strict_transport_security: true\nhttp_strict_transport_security_preload: true\ndirectory: disabled\n"))
	if err != nil || s.root != "web" || !s.indexFallback || !s.forceHTTPS || s.lines["pushstate"] != 4 {
		t.Errorf("got %+v, %v", s, err)
	}
	if h := s.headers(); len(h) != 1 || h[0].Value != "max-age=31536000; preload" {
		t.Errorf("headers %v", h)
	}
	for bad, want := range map[string]string{
		"root": "is no setting", "root: /etc": "not inside", "root: a/../../b": "not inside", "directory: visible": "not supported",
		"location_include: x.conf": "not supported", "ssi: enabled": "not supported", "colour: red": "no setting that is known",
		"pushstate: perhaps": "neither true nor false", "host_dot_files: true": "never served",
	} {
		if _, err := parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Staticfile:1") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("root: public\nindex_fallback: true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err == nil && s.root != "" && !filepath.IsLocal(s.root) {
			t.Errorf("root %q", s.root)
		}
	})
}
