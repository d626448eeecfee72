package python

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path.
type files map[string]string

func (f files) open(t *testing.T) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

// reqs is a requirements.txt with these packages.
func reqs(names ...string) string { return strings.Join(names, "\n") + "\n" }

const (
	flaskApp   = "from flask import Flask\napp = Flask(__name__)\n"
	fastapiApp = "from fastapi import FastAPI\napp = FastAPI()\n"
)

func TestStart(t *testing.T) {
	for _, c := range []struct {
		name string
		app  files
		want string // the command; or ERROR and part of the error
	}{
		{"flask", files{"requirements.txt": reqs("flask", "gunicorn"), "app.py": flaskApp}, "gunicorn --bind 0.0.0.0:$(PORT) app:app"},
		{"flask, waitress", files{"requirements.txt": reqs("flask", "waitress"), "server.py": flaskApp},
			"waitress-serve --listen=0.0.0.0:$(PORT) server:app"},
		{"flask, no server", files{"requirements.txt": reqs("flask"), "app.py": flaskApp},
			"ERROR app:app is a Flask application (app.py:2), and no server for it is among the dependencies: add gunicorn to requirements.txt"},
		{"flask, no server, localhost", files{"requirements.txt": reqs("flask"),
			"app.py": flaskApp + "if __name__ == '__main__':\n    app.run(debug=True)\n"}, "ERROR add gunicorn"},
		{"flask, no server, public", files{"requirements.txt": reqs("flask"),
			"app.py": flaskApp + "if __name__ == '__main__':\n    app.run(host='0.0.0.0', port=8080)\n"}, "python app.py"},
		{"factory", files{"requirements.txt": reqs("flask", "gunicorn"),
			"shop/__init__.py": "from flask import Flask\ndef create_app(test=None):\n    app = Flask(__name__)\n    return app\n"},
			"gunicorn --bind 0.0.0.0:$(PORT) shop:create_app()"},
		{"factory, used", files{"requirements.txt": reqs("flask", "gunicorn"), "wsgi.py": "from shop import create_app\napp = create_app()\n",
			"shop/__init__.py": "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n"},
			"gunicorn --bind 0.0.0.0:$(PORT) wsgi:app"},
		{"wrapped", files{"requirements.txt": reqs("flask", "gunicorn"),
			"main.py": "import flask\nfrom x import ProxyFix\nserver = flask.Flask('x')\nserver = ProxyFix(server)\n"},
			"gunicorn --bind 0.0.0.0:$(PORT) main:server"},
		{"fastapi", files{"requirements.txt": reqs("fastapi[standard]"), "app/main.py": fastapiApp, "app/__init__.py": ""},
			"uvicorn app.main:app --host 0.0.0.0 --port $(PORT)"},
		{"fastapi, factory", files{"requirements.txt": reqs("fastapi", "uvicorn"),
			"main.py": "import fastapi as f\ndef create_app():\n    return f.FastAPI()\n"},
			"uvicorn main:create_app --host 0.0.0.0 --port $(PORT) --factory"},
		{"starlette, daphne", files{"requirements.txt": reqs("starlette", "daphne"),
			"asgi.py": "from starlette.applications import Starlette as S\napplication: S = S()\n"},
			"daphne -b 0.0.0.0 -p $(PORT) asgi:application"},
		{"fasthtml", files{"requirements.txt": reqs("python-fasthtml"), "main.py": "from fasthtml.common import *\napp, rt = fast_app()\nserve()\n"},
			"uvicorn main:app --host 0.0.0.0 --port $(PORT)"},
		{"directory", files{"requirements.txt": reqs("fastapi", "uvicorn"), "backend/main.py": "import db\n" + fastapiApp, "backend/db.py": ""},
			"uvicorn main:app --host 0.0.0.0 --port $(PORT)"},
		{"broken file beside", files{"requirements.txt": reqs("flask", "gunicorn"), "app.py": flaskApp, "main.py": "print \"x\nx = ("},
			"gunicorn --bind 0.0.0.0:$(PORT) app:app"},
		{"tie", files{"requirements.txt": reqs("flask", "gunicorn"), "a.py": flaskApp, "b.py": flaskApp}, "ERROR two commands are as likely"},
		{"plain interface", files{"requirements.txt": reqs("gunicorn"), "wsgi.py": "def application(environ, start_response): ...\n"},
			"gunicorn --bind 0.0.0.0:$(PORT) wsgi:application"},
		{"streamlit", files{"requirements.txt": reqs("streamlit"), "app.py": "import streamlit as st\nst.title('x')\n"},
			"streamlit run app.py --server.address=0.0.0.0 --server.port=$(PORT) --server.headless=true --browser.gatherUsageStats=false"},
		{"gradio", files{"requirements.txt": reqs("gradio"), "app.py": "import gradio as gr\nwith gr.Blocks() as demo:\n    pass\ndemo.launch()\n"},
			"python app.py"},
		{"script", files{"main.py": "print('hello')\n"}, "python main.py"},
		{"only definitions", files{"requirements.txt": reqs("requests"), "main.py": "def f(): pass\n"}, "ERROR nothing to start was found: python main.py (it only defines things)"},
		{"project script", files{"pyproject.toml": "[project]\nname='x'\ndependencies=[]\n[project.scripts]\nserve='x:main'\n[build-system]\nrequires=['hatchling']\n",
			"x.py": "def main(): pass\n"}, "serve"},
		{"project script, not installed", files{"pyproject.toml": "[project]\nname='x'\n[project.scripts]\nserve='x:main'\n",
			"x.py": "def main(): pass\n"}, "ERROR has no [build-system]"},
		{"project script, missing", files{"pyproject.toml": "[project]\nname='x'\n[project.scripts]\nserve='x:go'\n[build-system]\nrequires=['hatchling']\n",
			"x.py": "def main(): pass\n"}, "ERROR x.py has no go"},
		{"functions", files{"requirements.txt": reqs("functions-framework==3.*"), "main.py": "def hello(request):\n    return 'x'\n"},
			"functions-framework --target=hello --host=0.0.0.0 --port=$(PORT)"},
		{"misspelled", files{"requirments.txt": reqs("flask"), "app.py": flaskApp}, "ERROR there is a requirments.txt in the app, but no requirements.txt"},
		{"conda", files{"environment.yml": "name: x\n", "app.py": flaskApp}, "ERROR environment.yml is conda's"},
		{"python 2", files{"runtime.txt": "python-2.7.18\n", "main.py": "print 'x'\n"}, "ERROR runtime.txt:1 asks for Python 2"},
		{"broken toml", files{"pyproject.toml": "[project\n"}, "ERROR parsing pyproject.toml"},
		{"nothing", files{"index.html": ""}, "FAIL no requirements.txt"},
		{"tooling", files{"requirements.txt": reqs("black"), "package.json": `{"scripts": {"start": "node x"}}`}, "FAIL "},
		{"other Procfile", files{"requirements.txt": reqs("x"), "Procfile": "web: node server.js\n", "package.json": `{"scripts": {"start": "x"}}`}, "FAIL Procfile:1 starts node server.js"},
		{"Procfile", files{"requirements.txt": reqs("flask"), "Procfile": "web: gunicorn app:app\n"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(c.app.open(t), kit.Env{}, environment{})
			if diff := cmp.Diff(c.want, outcome(d, err, c.want)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// outcome gives the command that was chosen, or the error; that part of it which is wanted, when it is there.
func outcome(d *decision, err error, want string) string {
	if err != nil {
		kind := "ERROR "
		var other notMine
		if errors.Is(err, errNotPython) || errors.As(err, &other) {
			kind = "FAIL "
		}
		if part, ok := strings.CutPrefix(want, kind); ok && strings.Contains(err.Error(), part) {
			return want
		}
		return kind + err.Error()
	}
	if c := d.chosen(); c != nil {
		return c.Command
	}
	return ""
}

func TestDjango(t *testing.T) {
	app := files{
		"requirements.txt":            reqs("Django", "gunicorn"),
		"site/manage.py":              "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.prod')\n",
		"site/shop/__init__.py":       "",
		"site/shop/wsgi.py":           "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
		"site/shop/settings/base.py":  "INSTALLED_APPS = [\n  'django.contrib.staticfiles',\n]\nDATABASES = {}\nSTATIC_ROOT = None\nWSGI_APPLICATION = 'shop.wsgi.application'\n",
		"site/shop/settings/prod.py":  "import os\nfrom .base import *\nSECRET_KEY = os.environ['KEY_OF_SHOP']\nSTATIC_ROOT = BASE_DIR / 'static'\n",
		"site/shop/settings/other.py": "from .prod import *\n",
	}
	d, err := decide(app.open(t), kit.Env{}, environment{})
	if err != nil {
		t.Fatal(err)
	}
	if c := d.chosen(); c.Command != "gunicorn --bind 0.0.0.0:$(PORT) shop.wsgi:application" || c.dir != "site" {
		t.Errorf("got %+v", c)
	}
	if !d.dj.staticRoot || !d.dj.databases || d.dj.staticSource != "site/shop/settings/prod.py:4" ||
		cmp.Diff([]string{"KEY_OF_SHOP"}, d.dj.secrets) != "" {
		t.Errorf("got %+v", d.dj)
	}
	if r := d.release(); r == nil || r.dir != "site" {
		t.Errorf("release is %+v", r)
	}
	d.env = kit.Env{envDisableCollect: "1"}
	if d.skipsCollect() == "" {
		t.Error("static files are collected although that is turned off")
	}
}

func TestVersions(t *testing.T) {
	app := files{
		"pyproject.toml":  "[project]\nname = 'x'\nrequires-python = '>=3.10'\n\n[tool.poetry.dependencies]\npython = '^3.9'\n",
		"Pipfile":         "[requires]\npython_full_version = '3.13.2'\n",
		".python-version": "# ours\n3.11.4\n", "runtime.txt": "python-3.12.1\n",
		".tool-versions": "nodejs 22\npython 3.12.2\n", "mise.toml": "[tools]\npython = ['3.13']\n",
	}.open(t)
	py, err := readPyproject(app)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pythonVersions(app, py, kit.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprintf("%s %s", c, c.Kind))
	}
	want := []string{">=3.10 (pyproject.toml:3) ", ">=3.9,<4 (pyproject.toml:6) ", "==3.13.* (Pipfile:2) ",
		"==3.11.* (.python-version:2) hint", "==3.12.* (runtime.txt:1) hint", "==3.12.* (.tool-versions:2) hint", "==3.13.* (mise.toml:2) hint"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all, err = pythonVersions(app, py, kit.Env{envVersion: "3.11"}); err != nil || len(all) != 1 || all[0].Kind != kit.Override {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := pythonVersions(app, py, kit.Env{envVersion: "latest"}); err == nil {
		t.Error("latest is a version")
	}
}

func TestDetectOutput(t *testing.T) {
	app := files{"requirements.txt": reqs("flask", "gunicorn"), "app.py": flaskApp}.open(t)
	var out bytes.Buffer
	ctx := libcnb.DetectContext{ApplicationPath: app.Dir, Logger: kit.Log{To: &out}}
	result, err := Detect(ctx)
	if err != nil || !result.Pass {
		t.Fatal(result, err)
	}
	if want := "Python, any version, requirements.txt without a lock; web starts gunicorn"; !strings.Contains(out.String(), want) {
		t.Errorf("got %q", out.String())
	}
}

// TestUnseen finds what packages load by name, unless another package brings it.
func TestUnseen(t *testing.T) {
	geo := files{"requirements.txt": reqs("django", "gunicorn", "psycopg", "pdf2image"), "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
		"site/settings.py": "INSTALLED_APPS = ['django.contrib.gis', 'django.contrib.staticfiles']\nSTATIC_ROOT = 'static'\n",
		"Procfile":         "web: gunicorn site.wsgi"}
	for _, c := range []struct {
		name string
		app  files
		want []string
	}{
		{"pure", files{"requirements.txt": reqs("psycopg", "weasyprint", "wand")}, []string{"libpq5 launch", "libpango-1.0-0 launch",
			"libpangoft2-1.0-0 launch", "libharfbuzz-subset0 launch", "imagemagick launch"}},
		{"extra", files{"requirements.txt": "psycopg[binary]\n"}, nil},
		{"sibling", files{"requirements.txt": reqs("psycopg", "psycopg-c")}, nil},
		{"django", geo, []string{"poppler-utils launch", "libpq5 build", "gdal-bin build"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.app["Procfile"] == "" {
				c.app["main.py"] = "print(1)\n"
			}
			d, err := decide(c.app.open(t), kit.Env{}, environment{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range d.unseenNeeds() {
				got = append(got, n.Name+map[bool]string{true: " build", false: " launch"}[n.Build])
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	d, err := decide(files{"requirements.txt": reqs("psycopg2", "pdf2image", "x @ git+https://git.example.com/x"),
		"main.py": "print(1)\n"}.open(t), kit.Env{}, environment{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range d.needs() {
		got = append(got, fmt.Sprintf("%s %t %t", n.Name, n.Build, n.Launch))
	}
	want := []string{"python true true", "uv true false", "git true false", "python-dev true false", "build-essential true false",
		"libpq-dev true false", "perl-base true false", "poppler-utils false true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if facts := fmt.Sprint(d.facts()); !strings.Contains(facts, "poppler-utils in the run image: pdf2image starts pdftoppm by its name") {
		t.Errorf("facts are %s", facts)
	}
	if r := d.record(); len(r.Hosts) != 1 || r.Hosts[0].Name != "git.example.com" {
		t.Errorf("hosts are %+v", r.Hosts)
	}
}
