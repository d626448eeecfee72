package python

import (
	"errors"
	"testing"
)

func TestModule(t *testing.T) {
	m, err := parseModule("pkg/app.py", "pkg.app", []byte("\ufeff"+`# -*- coding: utf-8 -*-
"""A module: app = Flask("no")"""
from __future__ import annotations
import flask, os.path as p
from fastapi import (
    FastAPI as F,  # a comment
    APIRouter,
)
from . import db
from ..up import thing
from .sub import *
text = f"{db["x"]} {{ {'}'} }}" + r'\'' + '''
app = None
'''
app: flask.Flask = flask.Flask(
    __name__, static_folder="x"); other = 1
try:
    api = F(title="x = {y}")
except Exception:
    api = None
a = b = F()
web, rt = F(), 1
def create_app(config: dict[str, int] = {"a": 1}, *args, debug=False, **kw) -> "X":
    inner = F()
    return inner
async def needs(a, b: int, /, c=1, *, d): return 1
class C:
    app = F()
x == 1
if __name__ == "__main__":
    app.run(host="0.0.0.0")
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"app": "flask.Flask", "a": "fastapi.FastAPI", "b": "fastapi.FastAPI",
		"web": "fastapi.FastAPI", "api": "", "other": ""} {
		v := m.values[name]
		if v == nil {
			t.Errorf("%s is not assigned", name)
		} else if got := m.callee(v.tokens); got != want {
			t.Errorf("%s calls %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"db": "pkg.db", "thing": "up.thing", "p": "os.path"} {
		if m.imports[name] != want {
			t.Errorf("%s is %q, want %q", name, m.imports[name], want)
		}
	}
	if f := m.functions["create_app"]; f == nil || f.needs != 0 || f.all != 2 {
		t.Errorf("create_app is %+v", f)
	}
	if f := m.functions["needs"]; f == nil || f.needs != 3 || f.all != 4 {
		t.Errorf("needs is %+v", f)
	}
	if len(m.stars) != 1 || m.stars[0] != "pkg.sub" || m.values["inner"] != nil || len(m.guard) == 0 || m.values["app"].line != 15 {
		t.Errorf("stars %v, guard %v, app %+v", m.stars, m.guard, m.values["app"])
	}
}

func TestModuleBroken(t *testing.T) {
	for _, bad := range []string{"print \"x", "x = (1", "x = )", "'''", "a ? b", "f'{'", "f'{x", "x = \x00"} {
		if _, err := parseModule("x.py", "x", []byte(bad)); !errors.Is(err, errSource) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzModule(f *testing.F) {
	f.Add([]byte("from a import b as c\napp = c.Flask(f'{x[\"y\"]}')\ndef f(a, *, b=1): pass\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		m, err := parseModule("a/b.py", "a.b", data)
		if err == nil {
			for _, v := range m.values {
				_ = m.callee(v.tokens)
			}
		}
	})
}
