package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/patternmatcher/ignorefile"
)

func TestIgnoreRules(t *testing.T) {
	files := map[string]string{}
	for _, name := range strings.Fields("a.go a.txt src/a.go src/a.txt src/deep/a.go src/deep/b.txt docs/x.md docs/y.md " +
		"node_modules/m/index.js web/node_modules/m/index.js web/index.html") {
		files[name] = name
	}
	all := "a.go a.txt docs/x.md docs/y.md node_modules/m/index.js src/a.go src/a.txt src/deep/a.go src/deep/b.txt " +
		"web/index.html web/node_modules/m/index.js"
	for _, c := range []struct {
		name, rules string
		want        string // files, without the rules' own
	}{
		{"none", "", all},
		{"comments and blanks", "# all\n\n  \n", all},
		{"top only", "node_modules", strings.Replace(all, "node_modules/m/index.js ", "", 1)},
		{"any depth", "**/node_modules\n", "a.go a.txt docs/x.md docs/y.md src/a.go src/a.txt src/deep/a.go src/deep/b.txt " +
			"web/index.html"},
		{"leading slash, byte order mark", "\ufeff/docs\r\n/web/\r\nnode_modules", "a.go a.txt src/a.go src/a.txt " +
			"src/deep/a.go src/deep/b.txt"},
		{"only some", "*\n!src\n!*.go", "a.go src/a.go src/a.txt src/deep/a.go src/deep/b.txt"},
		{"below an ignored directory", "*\n!src/deep", "src/deep/a.go src/deep/b.txt"},
		{"last one wins", "*\n!src\nsrc/deep\n!src/deep/b.txt", "src/a.go src/a.txt src/deep/b.txt"},
		{"any depth back", "*\n!**/*.md", "docs/x.md docs/y.md"},
		{"class", "docs/[x]*\nsrc\nweb\nnode_modules\na.???", "a.go docs/y.md"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, t.TempDir(), files)
			put(t, dir, map[string]string{".dockerignore": c.rules})
			check := func(own string) {
				t.Helper()
				var got []string
				for _, e := range open(t, dir, Options{}).Entries {
					if e.Kind == File && !strings.HasSuffix(e.Path, "ignore") {
						got = append(got, e.Path)
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("%s gives\n%v, want\n%s", own, got, c.want)
				}
			}
			check(".dockerignore")
			put(t, dir, map[string]string{".dockerignore": "**", ".s2iignore": c.rules})
			check(".s2iignore")
		})
	}
}

// TestIgnoreAllButOutput: a .dockerignore for the output of a build does not count, one for sources does, a .s2iignore always.
func TestIgnoreAllButOutput(t *testing.T) {
	for _, c := range []struct {
		file, rules string
		want        []string
	}{
		{".dockerignore", "*\n!target/*-runner\n!target/quarkus-app/\n", []string{".dockerignore", "pom.xml", "target", "target/app.jar"}},
		{".dockerignore", "**\n!/build/libs/*.jar\n", []string{".dockerignore", "pom.xml", "target", "target/app.jar"}},
		{".dockerignore", "*\n!target\n!pom.xml\n", []string{"pom.xml", "target", "target/app.jar"}},
		{".dockerignore", "*\n", nil},
		{".s2iignore", "*\n!target/*.jar\n", []string{"target", "target/app.jar"}},
	} {
		dir := put(t, t.TempDir(), map[string]string{"pom.xml": "", "target/app.jar": "", c.file: c.rules})
		if got := paths(open(t, dir, Options{})); !slices.Equal(got, c.want) {
			t.Errorf("%s %q leaves %v, want %v", c.file, c.rules, got, c.want)
		}
	}
}

func TestDirectoriesOfIgnoredFiles(t *testing.T) {
	dir := put(t, t.TempDir(), map[string]string{"a/b/c": "", "a/d/e": "", "f/": "", ".s2iignore": "*\n!a/b/*\n!a/x"})
	if got := paths(open(t, dir, Options{})); !slices.Equal(got, []string{"a", "a/b", "a/b/c"}) {
		t.Errorf("the tree is %v", got)
	}
}

func TestIgnoredDirectoriesAreNotEntered(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root can enter every directory; as an ordinary user this test sees whether one is entered")
	}
	dir := put(t, t.TempDir(), map[string]string{"closed/": "", "a": "", ".s2iignore": "closed\n!closer/x\n"})
	if err := os.Chmod(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	if got := paths(open(t, dir, Options{})); !slices.Equal(got, []string{".s2iignore", "a"}) {
		t.Errorf("the tree is %v", got)
	}
}

func TestIgnoreFileErrors(t *testing.T) {
	for content, want := range map[string]string{
		"!":                                  "is empty",
		"a\n[":                               "malformed",
		strings.Repeat("x", 2<<20):           "larger than",
		strings.Repeat("x\n", maxRules+1):    "more than",
		"-> ../../../../../../../etc/passwd": "escapes",
		"-> .":                               "no regular file",
	} {
		dir := put(t, t.TempDir(), map[string]string{".s2iignore": content})
		_, err := Open(t.Context(), dir, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ".s2iignore") {
			t.Errorf("%.20q: error %v, want %q in it", content, err, want)
		}
	}
}

func TestGitRules(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		dir, want     bool
	}{
		{"a", "a", false, true},
		{"a", "x/y/a", false, true},
		{"/a", "a", false, true},
		{"/a", "x/a", false, false},
		{"a/", "a", false, false},
		{"a/", "x/a", true, true},
		{"a/b", "a/b", false, true},
		{"a/b", "x/a/b", false, false},
		{"**/a/b", "a/x/a/b", false, true},
		{"a/**/b", "a/b", false, true},
		{"a/**/b", "a/x/y/b", false, true},
		{"a/**", "a/x/y", false, true},
		{"a/**", "a", true, false},
		{"*.log", "x/y.log", false, true},
		{"x/*.log", "x/y/z.log", false, false},
		{"a?c", "abc", false, true},
		{"a?c", "a/c", false, false},
		{"[a-c]x", "bx", false, true},
		{"[!a-c]x", "bx", false, false},
		{"[!a-c]x", "dx", false, true},
		{`\#a`, "#a", false, true},
		{`\!a`, "!a", false, true},
		{`a\ `, "a ", false, true},
		{"a  ", "a", false, true},
		{`\*`, "b", false, false},
		{"é", "x/é", false, true},
		{"[é]", "é", false, true},
		{"a.b", "axb", false, false},
	} {
		r, ok, err := gitRule(c.pattern)
		if err != nil || !ok {
			t.Errorf("%q: %v, %v", c.pattern, ok, err)
			continue
		}
		if got := r.match(c.path, c.dir); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.path, got)
		}
	}
}

func TestDescriptorRules(t *testing.T) {
	files := map[string]string{"a.go": "", "src/b.go": "", "src/gen/c.go": "", "tmp/d": "", "x/tmp/e": ""}
	for _, c := range []struct{ toml, want string }{
		{"[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nexclude = [\"tmp/\", \"gen\"]", "a.go project.toml src src/b.go x"},
		{"[_]\nschema-version = \"0.2\"\n[io.buildpacks]\ninclude = [\"*.go\", \"!gen\"]", "a.go src src/b.go"},
		{"[build]\ninclude = [\"/src/\"]", "src src/b.go src/gen src/gen/c.go"},
		{"[build]\ninclude = [\"src/gen/*.go\"]", "src src/gen src/gen/c.go"},
	} {
		dir := put(t, t.TempDir(), files)
		put(t, dir, map[string]string{"project.toml": c.toml})
		if got := strings.Join(paths(open(t, dir, Options{})), " "); got != c.want {
			t.Errorf("%s\ngives %s, want %s", c.toml, got, c.want)
		}
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("*\n!src\n**/x", "src/a")
	f.Add("[", "a")
	f.Add("!!a\n\\", "!a")
	f.Add("[!]a-z]\n[[:alpha:]]", "a")
	f.Fuzz(func(t *testing.T, content, path string) {
		patterns, err := ignorefile.ReadAll(strings.NewReader(content))
		if err != nil {
			return
		}
		forOutput(patterns)
		if rules, err := dockerRules(patterns); err == nil {
			(&rules2{rules}).check(path)
		}
		if rules, err := gitRules(strings.Split(content, "\n")); err == nil {
			(&rules2{rules}).check(path)
		}
	})
}

// rules2 checks a path as the walk does, from the top down.
type rules2 struct{ list []rule }

func (r *rules2) check(path string) {
	all := &rules{ignore: r.list, include: r.list}
	var state ruleState
	for i, c := range path {
		if c == '/' {
			_, state = all.check(path[:i], true, state)
		}
	}
	all.check(path, false, state)
}
