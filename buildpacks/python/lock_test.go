package python

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

// linux is the environment of the tests.
func linux() environment { return environment{Python: "3.13.5", Arch: "amd64"} }

const uvLockText = `version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "uvicorn", extra = ["standard"] },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "lib" },
]

[package.optional-dependencies]
pg = [{ name = "psycopg" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]

[package.metadata]
requires-dist = [
    { name = "uvicorn", extras = ["standard"], specifier = ">=0.30" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "lib", directory = "lib" },
    { name = "psycopg", marker = "extra == 'pg'" },
]

[[package]]
name = "uvicorn"
version = "0.30.1"
source = { registry = "https://packages.example.com/simple" }
dependencies = [{ name = "click" }]
wheels = [{ filename = "uvicorn-0.30.1-py3-none-any.whl", hash = "sha256:0a" }]

[package.optional-dependencies]
standard = [{ name = "httptools" }, { name = "numpy", version = "2.0.0", marker = "python_full_version >= '3.12'" }]

[[package]]
name = "click"
version = "8.1.0"
source = { registry = "https://packages.example.com/simple" }
sdist = { url = "https://files.example.com/click-8.1.0.tar.gz", hash = "sha256:0b" }

[[package]]
name = "httptools"
version = "0.6.0"
source = { git = "https://git.example.com/httptools.git?rev=main#0123abc" }

[[package]]
name = "numpy"
version = "1.26.0"
source = { registry = "https://packages.example.com/simple" }
resolution-markers = ["python_full_version < '3.12'"]

[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://packages.example.com/simple" }
resolution-markers = ["python_full_version >= '3.12'", "sys_platform == 'x'"]

[[package]]
name = "lib"
version = "1"
source = { directory = "lib" }

[[package]]
name = "colorama"
version = "1"
source = { registry = "https://packages.example.com/simple" }

[[package]]
name = "psycopg"
version = "3.2"
source = { registry = "https://packages.example.com/simple" }

[[package]]
name = "pytest"
version = "8"
source = { registry = "https://packages.example.com/simple" }
`

const uvProject = `[project]
name = "shop"
dependencies = ["uvicorn[standard]>=0.30", "colorama; sys_platform == 'win32'", "lib"]

[project.optional-dependencies]
pg = ["psycopg"]
`

func TestPins(t *testing.T) {
	poetry := `[[package]]
name = "Quart"
version = "0.20.0"
optional = false
markers = "python_version >= \"3.9\""
files = [{file = "quart-0.20.0-py3-none-any.whl", hash = "sha256:0c"}]

[package.dependencies]
blinker = ">=1.6"
python-dotenv = {version = "*", optional = true, markers = "extra == \"dotenv\""}
uvloop = {version = ">=0.1", markers = "sys_platform == \"win32\""}

[package.extras]
dotenv = ["python-dotenv (>=1)"]

[[package]]
name = "blinker"
version = "1.9.0"
optional = false

[[package]]
name = "python-dotenv"
version = "1.1"
optional = true

[[package]]
name = "pytest"
version = "8.0"
optional = false

[[package]]
name = "uvloop"
version = "0.2"
optional = false

[metadata]
lock-version = "1.1"

[metadata.files]
blinker = [{file = "blinker.whl", hash = "sha256:0d"}]
`
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want string
	}{
		{"uv", files{"pyproject.toml": uvProject, "uv.lock": uvLockText}, nil,
			"click==8.1.0 --hash=sha256:0b\nhttptools @ git+https://git.example.com/httptools.git@0123abc\n" +
				"lib @ file:///app/lib\nnumpy==2.0.0\nuvicorn==0.30.1 --hash=sha256:0a\n"},
		{"uv, extra", files{"pyproject.toml": uvProject, "uv.lock": uvLockText}, kit.Env{envExtras: "pg", envGroups: "dev"},
			"click==8.1.0 --hash=sha256:0b\nhttptools @ git+https://git.example.com/httptools.git@0123abc\n" +
				"lib @ file:///app/lib\nnumpy==2.0.0\npsycopg==3.2\npytest==8\nuvicorn==0.30.1 --hash=sha256:0a\n"},
		{"poetry", files{"pyproject.toml": "[tool.poetry.dependencies]\nquart = {version = '^0.20', extras = ['dotenv']}\n", "poetry.lock": poetry}, nil,
			"blinker==1.9.0 --hash=sha256:0d\npython-dotenv==1.1\nquart==0.20.0 --hash=sha256:0c\n"},
		{"pdm", files{"pyproject.toml": "[project]\nname='x'\ndependencies = ['a[fast]>=1']\n",
			"pdm.lock": "[[package]]\nname='a'\nversion='1.0'\ndependencies=['b; os_name==\"nt\"']\nfiles=[{file='a.whl',hash='sha256:01'}]\n" +
				"[[package]]\nname='a'\nversion='1.0'\nextras=['fast']\ndependencies=['c>=2','a==1.0']\n[[package]]\nname='b'\nversion='1'\n" +
				"[[package]]\nname='c'\nversion='2'\n[[package]]\nname='dev'\nversion='2'\n"}, nil, "a==1.0 --hash=sha256:01\nc==2\n"},
		{"pipenv", files{"Pipfile": "[packages]\na='*'\n", "Pipfile.lock": `{"default": {"a": {"version": "==1.0", "hashes": ["sha256:01"]},
			"b": {"version": "==2", "markers": "os_name == 'nt'"}, "c": {"git": "https://git.example.com/c", "ref": "12"}}, "develop": {"d": {"version": "==1"}}}`},
			nil, "a==1.0 --hash=sha256:01\nc @ git+https://git.example.com/c@12\n"},
		{"pylock", files{"pylock.toml": "lock-version='1.0'\n[[packages]]\nname='a'\nversion='1'\nwheels=[{name='a.whl',hashes={sha256='01'}}]\n" +
			"[[packages]]\nname='b'\nversion='1'\nmarker=\"'dev' in dependency_groups\"\n[[packages]]\nname='l'\ndirectory={path='l',editable=true}\n" +
			"[[packages]]\nname='v'\nvcs={type='git',url='https://git.example.com/v',commit-id='34'}\n"}, nil,
			"a==1 --hash=sha256:01\n-e /app/l\nv @ git+https://git.example.com/v@34\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := locked(t, c.app, c.env)
			if err != nil {
				t.Fatal(err)
			}
			text, err := d.pins("/app", nil)
			if diff := cmp.Diff(c.want, strings.ReplaceAll(text, " \\\n   ", "")); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// locked reads the dependencies of an app.
func locked(t *testing.T, app files, env kit.Env) (*dependencies, error) {
	t.Helper()
	a := app.open(t)
	py, err := readPyproject(a)
	if err != nil {
		return nil, err
	}
	d, err := readDependencies(a, py, env)
	if err != nil {
		return nil, err
	}
	e := linux()
	o := optionsOf(env)
	e.Extras, e.Groups = o.extras, o.groups
	return d, d.resolve(e)
}

func TestDrift(t *testing.T) {
	changed := strings.NewReplacer(">=0.30", ">=0.31", `"lib"]`, `"new"]`).Replace(uvProject)
	_, err := locked(t, files{"pyproject.toml": changed, "uv.lock": uvLockText}, nil)
	want := "uv.lock is out of date: it has uvicorn 0.30.1, pyproject.toml:3 asks for >=0.31; new (pyproject.toml:3) is not in it; " +
		"it has lib, which pyproject.toml no longer asks for; run `uv lock` and commit it"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestWhichLock(t *testing.T) {
	app := files{"pyproject.toml": uvProject, "uv.lock": uvLockText, "poetry.lock": "", "requirements.txt": "flask"}
	d, err := locked(t, app, nil)
	if err != nil || d.lock != fileUVLock || cmp.Diff([]string{"poetry.lock", "requirements.txt"}, d.ignored) != "" {
		t.Errorf("got %+v, %v", d, err)
	}
	d, err = locked(t, app, kit.Env{envRequirements: "requirements.txt"})
	if err != nil || d.manifest != "requirements.txt" || d.locked() {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestRequirementsFile(t *testing.T) {
	app := files{
		"requirements.txt": "\ufeff# x\n-r more/base.txt\n-c limits.txt\n--extra-index-url https://packages.example.com/simple\n-e .\n" +
			"uvicorn[standard]>=0.3 \\\n  ; python_version > '3'  # comment\ngit+https://git.example.com/x.git#egg=Some_Name\n???\n",
		"more/base.txt": "flask==3\n-r ../requirements.txt\n", "limits.txt": "flask<4\n",
	}.open(t)
	f, err := readRequirements(app, "requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range f.direct {
		names = append(names, r.Name+" "+r.Source)
	}
	want := []string{"flask more/base.txt:1", "uvicorn requirements.txt:6", "some-name requirements.txt:8"}
	if diff := cmp.Diff(want, names); diff != "" || !f.git || f.hashed || len(f.bad) != 1 || len(f.local) != 1 || len(f.options) != 1 {
		t.Errorf("%+v\n%s", f, diff)
	}
	for name, text := range map[string]string{"outside": "-r ../../etc/passwd\n", "absent": "-r x.txt\n"} {
		if _, err := readRequirements(files{"requirements.txt": text}.open(t), "requirements.txt"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHostileLocks(t *testing.T) {
	for name, text := range map[string]string{
		"name":    "version=1\n[[package]]\nname='a\\nb'\nversion='1'\n",
		"version": "version=1\n[[package]]\nname='a'\nversion='1 --index-url https://example.com'\n",
		"hash":    "version=1\n[[package]]\nname='a'\nversion='1'\nwheels=[{hash='sha256:zz --x'}]\n",
		"url":     "version=1\n[[package]]\nname='a'\nversion='1'\nsource={url=\"https://example.com/\\n-e /etc\"}\n",
		"future":  "version=9\n",
	} {
		if _, err := parseUVLock([]byte(text), ".", options{}); !errors.Is(err, errLock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	outside := files{"pyproject.toml": "[project]\nname='x'\ndependencies=['a']\n",
		"uv.lock": "version=1\n[[package]]\nname='x'\nsource={virtual='.'}\ndependencies=[{name='a'}]\n[[package]]\nname='a'\nsource={directory='../../etc'}\n"}
	d, err := locked(t, outside, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.pins("/app", nil); !errors.Is(err, errLock) {
		t.Errorf("a path outside the app: %v", err)
	}
}

// TestLargeLock reads a lock of more packages than any project has, whose packages need each other in a circle.
func TestLargeLock(t *testing.T) {
	var b strings.Builder
	b.WriteString("version = 1\n[[package]]\nname='x'\nsource={virtual='.'}\ndependencies=[{name='p0'}]\n")
	const n = 5_000
	filler := strings.Repeat("0", 1800)
	for i := range n {
		fmt.Fprintf(&b, "[[package]]\nname='p%d'\nversion='1'\ndependencies=[{name='p%d'}]\nwheels=[{hash='sha256:%s'}]\n", i, (i+1)%n, filler)
	}
	start := time.Now()
	l, err := parseUVLock([]byte(b.String()), ".", options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.choose(linux())
	if err != nil || len(s.entries) != n {
		t.Errorf("%d packages, %v", len(s.entries), err)
	}
	t.Logf("%d MB in %s", b.Len()>>20, time.Since(start))
}

func FuzzLocks(f *testing.F) {
	f.Add([]byte(uvLockText))
	f.Add([]byte(`{"default": {"a": {"version": "==1", "markers": "os_name == 'nt'"}}}`))
	f.Add([]byte("[[package]]\nname='a'\nversion='1'\nextras=['x']\ndependencies=['b>1']\nmarkers={main=\"os_name=='x'\"}\n"))
	f.Add([]byte("[[packages]]\nname='a'\ndirectory={path='.'}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		direct := []requirement{{Name: "a", Specifier: ">=1"}}
		for _, parse := range []func() (*lockFile, error){
			func() (*lockFile, error) { return parseUVLock(data, ".", options{extras: []string{"pg"}}) },
			func() (*lockFile, error) { return parsePoetryLock(data, direct) },
			func() (*lockFile, error) { return parsePDMLock(data, direct) },
			func() (*lockFile, error) { return parsePipfileLock(data) },
			func() (*lockFile, error) { return parsePylock("pylock.toml", data) },
		} {
			l, err := parse()
			if err != nil {
				continue
			}
			d := &dependencies{file: l, direct: direct}
			if d.chosen, err = l.choose(linux()); err == nil {
				_ = d.drift(linux())
				_, _ = d.pins("/app", nil)
				_, _ = d.toCompile(linux())
			}
		}
	})
}

func FuzzManifests(f *testing.F) {
	f.Add([]byte(uvProject))
	f.Add([]byte("[tool.poetry.dependencies]\na = [{version='^1', python='<3'}, {git='x', rev='y'}]\n[dependency-groups]\nx=[{include-group='x'}]\n"))
	f.Add([]byte("[packages]\na={version='>=1', extras=['x'], ref='y', git='z'}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if p, err := parsePyproject(data); err == nil {
			_, _ = p.requirements(options{extras: []string{"pg"}, groups: []string{"x"}})
		}
		_, _ = parsePipfile(data)
		for _, l := range logicalLines(string(data)) {
			_, _ = optionOf(l.text)
		}
		env := kit.Env{}
		pipConfiguration(env, string(data))
	})
}
