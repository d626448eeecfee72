// Package python is the buildpack s2i/python: apps in Python, whatever tool their dependencies are managed with
// (buildpack §Detection, §Build).
//
// # What is installed
//
// The most exact file says it: uv.lock, poetry.lock, pdm.lock, pylock.toml (PEP 751), Pipfile.lock, a requirements.txt
// in which everything has a hash; then pyproject.toml (PEP 621 or Poetry's tables), requirements.txt, Pipfile, setup.py.
// The record names the files that have no say. Locks are read here, walked from what the app itself needs (production
// only) and turned into pinned requirements with hashes, which uv installs; no other tool is needed, and the addresses in
// a lock are not used, so that a mirror serves everything. A lock that does not match its manifest is an error that lists
// the differences. Without a lock the versions are resolved once, kept for the next build as long as the manifest says
// the same, and handed to the platform (uv.lock for a project, else pylock.toml).
//
// # Python
//
// requires-python, Poetry's python and a Pipfile's version are demands; .python-version, runtime.txt, .tool-versions,
// mise.toml are hints, of which the patch is left out: patches come with the stack. S2I_PYTHON_VERSION counts alone. A
// lock that has wheels for an older Python only is a hint, too. The interpreter is the stack's, in the run image, and the
// virtual environment only links to it: a rebase patches it.
//
// Compilers and -dev packages are in the build when a package that is known to be native has no wheel that fits. What the
// compiled files need at run time is found in them after the build.
//
// # What is started
//
// A Procfile's web wins. Otherwise there are candidates with scores: a Django project's WSGI or ASGI application; the
// application objects that the sources make (Flask, FastAPI, Starlette, Quart, Litestar, Falcon, Bottle, aiohttp and
// others), found by parsing them, through imports, wrappers and factories; Streamlit, Gradio, Chainlit; the only
// [project.scripts]; files that are usually started. An application needs a server among the dependencies: without
// one it is refused, naming the one to add. Two candidates that are as likely are refused with the list. Servers listen
// on PORT through their own flags. Migrations are a process of their own, release.
//
// # Layers
//
//	venv             launch   the virtual environment with its byte code, taken over when lock, project layout and
//	                          Python's minor are the same
//	bytecode-stdlib  launch   byte code of the standard library, the same for all apps
//	bytecode-app     launch   byte code of the app
//	environment      launch   variables
//	downloads        cache    uv's
//	resolved         cache    the lock that was resolved for an app without one
//
// All of it is a function of its inputs: byte code is unchecked (checked for the standard library, which a rebase may
// change) and made in a fixed number of processes; uv's notes of times are removed from the environment.
// A project that is pure Python is installed as a link to its sources, so that a change of the sources installs nothing.
//
// Django's static files are collected at build when staticfiles is installed and STATIC_ROOT is set. The variables that
// SECRET_KEY is read from have a value during that command.
//
// # Settings
//
//	S2I_PYTHON_VERSION        the version of Python: "3.11", ">=3.12"
//	S2I_PYTHON_REQUIREMENTS   the requirements.txt to use, instead of any other file
//	S2I_PYTHON_EXTRAS         extras of the project to install: "pg,s3"
//	S2I_PYTHON_GROUPS         dependency groups to install besides the dependencies
//	S2I_PYTHON_APP            the member of a uv workspace to install, by directory
//	S2I_DJANGO_COLLECTSTATIC  0 turns collectstatic off, as DISABLE_COLLECTSTATIC=1 does
//	S2I_BUILD_PACKAGES        packages for compiling; any value brings the compiler
//
// uv and pip read their indexes from UV_* and PIP_* variables. Credentials come as bindings: type netrc with the entry
// .netrc, type pip with pip.conf (its indexes) or .netrc, type uv with uv.toml or .netrc.
package python
