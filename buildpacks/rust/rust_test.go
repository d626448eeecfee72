package rust

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path.
type files map[string]string

func (f files) open(t *testing.T) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

const mainFile = "fn main() {}\n"

// crate is a package with this name and more lines.
func crate(name string, more ...string) string {
	return "[package]\nname = \"" + name + "\"\n" + strings.Join(more, "\n") + "\n"
}

func (f files) with(more files) files {
	all := files{}
	for _, m := range []files{f, more} {
		for name, text := range m {
			all[name] = text
		}
	}
	return all
}

func TestVersions(t *testing.T) {
	one := files{"Cargo.toml": crate("a", `edition = "2021"`), "src/main.rs": mainFile}
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want []string
	}{
		{"edition", one, nil, []string{"minimum 1.56 (Cargo.toml:3)"}},
		{"rust-version", files{"Cargo.toml": crate("a", `edition = "2021"`, `rust-version = "1.70"`), "src/main.rs": mainFile}, nil,
			[]string{"minimum 1.70 (Cargo.toml:4)"}},
		{"inherited", files{"Cargo.toml": "[workspace]\nmembers = [\"m\"]\n[workspace.package]\nrust-version = \"1.80\"\n",
			"m/Cargo.toml": crate("m", "rust-version.workspace = true"), "m/src/main.rs": mainFile}, nil,
			[]string{"minimum 1.80 (Cargo.toml:4)"}},
		{"toolchain file", one.with(files{"rust-toolchain": "1.72.1\n"}), nil,
			[]string{"hint =1.72.1 (rust-toolchain:1)", "minimum 1.72.1 (rust-toolchain:1)"}},
		{"toolchain with host", one.with(files{"rust-toolchain": "1.72-x86_64-unknown-linux-gnu"}), nil,
			[]string{"hint =1.72 (rust-toolchain:1)", "minimum 1.72 (rust-toolchain:1)"}},
		{"toolchain table", one.with(files{"rust-toolchain.toml": "[toolchain]\nprofile = \"minimal\"\nchannel = \"1.90\"\n"}), nil,
			[]string{"hint =1.90 (rust-toolchain.toml:3)", "minimum 1.90 (rust-toolchain.toml:3)"}},
		{"stable", one.with(files{"rust-toolchain.toml": "[toolchain]\nchannel = \"stable\"\n"}), nil,
			[]string{"minimum 1.56 (Cargo.toml:3)"}},
		{"tool-versions", one.with(files{".tool-versions": "node 20\nrust 1.81.0\n"}), nil,
			[]string{"hint =1.81.0 (.tool-versions:2)", "minimum 1.81.0 (.tool-versions:2)"}},
		{"mise", one.with(files{"mise.toml": "[tools]\nrust = \"1.81.0\"\n"}), nil,
			[]string{"hint =1.81.0 (mise.toml:2)", "minimum 1.81.0 (mise.toml:2)"}},
		{"lock", one.with(files{"Cargo.lock": "# x\nversion = 4\n"}), nil, []string{"minimum 1.78 (Cargo.lock:2)"}},
		{"override", one.with(files{"rust-toolchain": "nightly"}), kit.Env{envVersion: "1.90"},
			[]string{"override 1.90 (S2I_RUST_VERSION)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(c.app.open(t), c.env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range d.versions {
				got = append(got, fmt.Sprintf("%s %s", v.Kind, v))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrograms(t *testing.T) {
	virtual := files{"Cargo.toml": "[workspace]\nmembers = [\"crates/*\"]\n",
		"crates/cli/Cargo.toml": crate("cli"), "crates/cli/src/main.rs": mainFile,
		"crates/web/Cargo.toml": crate("gateway", "[dependencies]", `axum = "0.8"`), "crates/web/src/main.rs": mainFile}
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want []string // type name default
	}{
		{"one", files{"Cargo.toml": crate("a"), "src/main.rs": mainFile}, nil, []string{"web a true"}},
		{"one below", files{"Cargo.toml": crate("a"), "src/bin/x.rs": mainFile, "src/lib.rs": ""}, nil, []string{"web x true"}},
		{"main wins", files{"Cargo.toml": crate("a"), "src/main.rs": mainFile, "src/bin/x.rs": mainFile,
			"src/bin/y/main.rs": mainFile}, nil, []string{"a a true", "x x false", "y y false"}},
		{"server", files{"Cargo.toml": crate("a"), "src/bin/my-server.rs": mainFile, "src/bin/x.rs": mainFile}, nil,
			[]string{"my-server my-server true", "x x false"}},
		{"default-run", files{"Cargo.toml": crate("a", `default-run = "x"`), "src/main.rs": mainFile, "src/bin/x.rs": mainFile},
			nil, []string{"x x true", "a a false"}},
		{"declared", files{"Cargo.toml": crate("a", "[[bin]]", `name = "b"`, `path = "src/main.rs"`), "src/main.rs": mainFile},
			nil, []string{"web b true"}},
		{"autobins off", files{"Cargo.toml": crate("a", "autobins = false", "[[bin]]", `name = "b"`),
			"src/bin/b.rs": mainFile, "src/bin/c.rs": mainFile}, nil, []string{"web b true"}},
		{"features", files{"Cargo.toml": crate("a", "[[bin]]", `name = "b"`, `required-features = ["on"]`, "[[bin]]",
			`name = "c"`, `required-features = ["off"]`, "[features]", `default = ["some"]`, `some = ["on"]`, "off = []"),
			"src/bin/b.rs": mainFile, "src/bin/c.rs": mainFile}, nil, []string{"web b true"}},
		{"framework", virtual, nil, []string{"gateway gateway true", "cli cli false"}},
		{"chosen package", virtual, kit.Env{envApp: "crates/cli"}, []string{"web cli true"}},
		{"chosen programs", virtual, kit.Env{envBins: "cli, gateway"}, []string{"cli cli true", "gateway gateway false"}},
		{"default members", virtual.with(files{"Cargo.toml": "[workspace]\nmembers = [\"crates/*\"]\ndefault-members = [\"crates/cli\"]\n"}),
			nil, []string{"web cli true"}},
		{"excluded", virtual.with(files{"Cargo.toml": "[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"crates/web\"]\n"}),
			nil, []string{"web cli true"}},
		{"by path", files{"Cargo.toml": crate("a", "[workspace]", "[dependencies]", `b = { path = "b" }`), "src/lib.rs": "",
			"b/Cargo.toml": crate("b"), "b/src/main.rs": mainFile}, nil, []string{"web b true"}},
		{"tools and browsers", virtual.with(files{"crates/web/Cargo.toml": crate("gateway", "[dependencies]", `yew = "0.21"`),
			"crates/xtask/Cargo.toml": crate("xtask"), "crates/xtask/src/main.rs": mainFile}), nil, []string{"web cli true"}},
		{"a Procfile's web", files{"Cargo.toml": crate("z"), "src/bin/x.rs": mainFile, "src/bin/y.rs": mainFile,
			"Procfile": "web: y --port 1\n"}, nil, []string{"x x false", "y y false"}},
		{"deep pattern", files{"Cargo.toml": "[workspace]\nmembers = [\"a/**/c\", \"missing/*\"]\n", "a/b/c/Cargo.toml": crate("c"),
			"a/b/c/src/main.rs": mainFile}, nil, []string{"web c true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(c.app.open(t), c.env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range d.bins {
				got = append(got, fmt.Sprint(b.Type, " ", b.Name, " ", b.Default))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	one := files{"Cargo.toml": crate("a"), "src/main.rs": mainFile}
	for _, c := range []struct {
		name, reason string
		app          files
		env          kit.Env
	}{
		{"nightly", `rust-toolchain.toml:2 asks for the toolchain "nightly-2024-01-01"`,
			one.with(files{"rust-toolchain.toml": "[toolchain]\nchannel = \"nightly-2024-01-01\"\n"}), nil},
		{"feature", "src/main.rs:2 uses the unstable feature let_chains", one.with(files{"src/main.rs": "\n#![feature(let_chains)]\n"}), nil},
		{"cargo feature", "Cargo.toml:1 asks for the unstable feature profile-rustflags of cargo",
			one.with(files{"Cargo.toml": "cargo-features = [\"profile-rustflags\"]\n" + crate("a")}), nil},
		{"tie", "nothing tells which: x (src/bin/x.rs, score 0), y (src/bin/y.rs, score 0)",
			files{"Cargo.toml": crate("z"), "src/bin/x.rs": mainFile, "src/bin/y.rs": mainFile}, nil},
		{"outside", "Cargo.toml:4 takes b from ../b: it is outside the app",
			one.with(files{"Cargo.toml": crate("a", "[dependencies]", `b = { path = "../b" }`)}), nil},
		{"member outside", "Cargo.toml:2 names the member ../x", files{"Cargo.toml": "[workspace]\nmembers = [\"../x\"]\n"}, nil},
		{"member without a manifest", "reading a member of the workspace", files{"Cargo.toml": "[workspace]\nmembers = [\"x\"]\n"}, nil},
		{"broken", "parsing Cargo.toml:2", files{"Cargo.toml": "[package]\nname = \n"}, nil},
		{"deep", "nested too deeply", files{"Cargo.toml": "a = " + strings.Repeat("[", 10000)}, nil},
		{"no such package", "S2I_APP is x, which is no package of the workspace: there are a", one, kit.Env{envApp: "x"}},
		{"no such program", "S2I_RUST_BINS names x, which is no program of the app: there are a", one, kit.Env{envBins: "x"}},
		{"off", "it needs the feature f, which is not a default one", files{"Cargo.toml": crate("a", "[[bin]]", `name = "b"`,
			`required-features = ["f"]`), "src/bin/b.rs": mainFile}, nil},
		{"twice", "two programs are called x", files{"Cargo.toml": "[workspace]\nmembers = [\"a\", \"b\"]\n",
			"a/Cargo.toml": crate("a"), "a/src/bin/x.rs": mainFile, "b/Cargo.toml": crate("b"), "b/src/bin/x.rs": mainFile}, nil},
		{"leptos", "built by cargo-leptos", one.with(files{"Cargo.toml": crate("a", "[package.metadata.leptos]", `x = "y"`)}), nil},
		{"bad extra package", "no package can be called -x", one, kit.Env{"S2I_BUILD_PACKAGES": "-x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{},
				Platform: libcnb.Platform{Environment: c.env}})
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v, want %q", err, c.reason)
			}
		})
	}
}

func TestNoMatch(t *testing.T) {
	for _, c := range []struct {
		reason string
		app    files
	}{
		{"no Cargo.toml in the app", files{"x": ""}},
		{"there is one in server: build that directory", files{"server/Cargo.toml": crate("a")}},
		{"it is a library", files{"Cargo.toml": crate("a", "[lib]", `crate-type = ["cdylib"]`), "src/lib.rs": ""}},
	} {
		var out bytes.Buffer
		result, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{To: &out}})
		if err != nil || result.Pass || !strings.Contains(out.String(), c.reason) {
			t.Errorf("got %v, %v, said %q, want %q", result.Pass, err, out.String(), c.reason)
		}
	}
}

// entry is a package of a lock.
func entry(name string, dependencies ...string) string {
	text := "\n[[package]]\nname = \"" + name + "\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.com/index\"\n"
	if len(dependencies) > 0 {
		text += "dependencies = [\n"
		for _, d := range dependencies {
			text += " \"" + d + "\",\n"
		}
		text += "]\n"
	}
	return text
}

func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		name, lock, config string
		more               []string
		want               []string
	}{
		{name: "nothing", lock: entry("serde"), want: nil},
		{name: "openssl", lock: entry("openssl-sys", "cc", "pkg-config"), want: []string{"libssl-dev", "pkgconf"}},
		{name: "openssl from sources", lock: entry("openssl-sys", "openssl-src") + entry("openssl-src"), want: []string{"make", "perl"}},
		{name: "bundled sqlite", lock: entry("libsqlite3-sys", "cc", "pkg-config"), want: nil},
		{name: "sqlite of the system", lock: entry("libsqlite3-sys", "pkg-config 0.3"), want: []string{"libsqlite3-dev", "pkgconf"}},
		{name: "aws-lc does without cmake", lock: entry("aws-lc-sys", "cmake", "bindgen") + entry("cmake") + entry("bindgen"), want: nil},
		{name: "others do not", lock: entry("aws-lc-sys", "cmake") + entry("x", "cmake") + entry("cmake"), want: []string{"cmake", "g++", "make"}},
		{name: "no lock", more: []string{"[dependencies]", `reqwest = "0.12"`,
			`db = { package = "diesel", version = "2", features = ["postgres"] }`},
			want: []string{"libpq-dev", "libssl-dev", "pkgconf"}},
		{name: "linkers", lock: "version = 4\n", config: "[target.x86_64-unknown-linux-gnu]\nlinker = \"/usr/bin/clang\"\n" +
			"rustflags = [\"-C\", \"link-arg=-fuse-ld=mold\"]\n[target.x86_64-pc-windows-msvc]\nlinker = \"lld\"\n",
			want: []string{"clang", "mold"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := files{"Cargo.toml": crate("a", c.more...), "src/main.rs": mainFile}
			if c.lock != "" {
				app["Cargo.lock"] = c.lock
			}
			if c.config != "" {
				app[".cargo/config.toml"] = c.config
			}
			d, err := decide(app.open(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			needs, _ := d.needs(false)
			var got []string
			for _, n := range needs {
				if n.Name != "rust" && n.Name != "libc" {
					got = append(got, n.Name)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	d, err := decide(files{
		"Cargo.toml":         crate("a", "[dependencies]", `axum = "0.8"`),
		"Cargo.lock":         entry("x") + strings.Replace(entry("y"), "registry+https://example.com/index", "git+https://git.example.com/y?rev=1#abc", 1),
		".cargo/config.toml": "[registries.own]\nindex = \"sparse+https://index.example.com/\"\n[build]\ntarget = \"wasm32-wasip1\"\n",
		"src/main.rs":        "fn main() {\n    serve(\"127.0.0.1:3000\");\n    // bind(\"localhost\")\n}\n",
	}.open(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, facts := d.needs(false)
	r := d.record(facts)
	want := []kit.Host{
		{Name: "index.example.com", Why: "the registry own", Source: ".cargo/config.toml:2"},
		{Name: "git.example.com", Why: "the crate y comes from a git repository", Source: "Cargo.lock:7"},
	}
	if diff := cmp.Diff(want, r.Hosts); diff != "" {
		t.Error(diff)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "src/main.rs:2 seems to listen on the loopback") {
		t.Errorf("warnings are %q", r.Warnings)
	}
	if len(r.Starts) != 1 || !r.Starts[0].Chosen || r.Starts[0].Score != 95 {
		t.Errorf("starts are %+v", r.Starts)
	}
}

func TestDifferences(t *testing.T) {
	before := parseLock([]byte(entry("a", "b") + entry("b")))
	after := parseLock([]byte(entry("a", "b", "c") + entry("c") + strings.ReplaceAll(entry("b"), "1.0.0", "2.0.0")))
	want := []string{"missing b 2.0.0", "missing c 1.0.0", "and 1 more"}
	if diff := cmp.Diff(want, differences(before, after, 2)); diff != "" {
		t.Error(diff)
	}
	same := parseLock([]byte(entry("a", "b", "z") + entry("b")))
	if diff := cmp.Diff([]string{"other dependencies of a"}, differences(before, same, 2)); diff != "" {
		t.Error(diff)
	}
}
