package other

// kind is a kind of app that s2i does not build.
type kind struct {
	Name string
	// Files are globs, relative to the app; one that matches is the evidence.
	Files []string
	// Missing is what would be needed, Instead the way out; wayOut when it is empty.
	Missing, Instead string
	// Weak evidence says nothing when a file of a language is there too.
	Weak bool
}

const (
	wayOut = "build it where its tools are, and give s2i the directory of the result with a Procfile"
	jarOut = "build the jar where its tools are, and give s2i the directory that holds it"
	noSDK  = "its compiler is on no registry of packages that s2i reads"
	noPack = "s2i has no buildpack for it"
)

// kinds are the kinds that are recognised, the more telling first.
func kinds() []kind {
	return append(append(languages(), sites()...), descriptions()...)
}

func languages() []kind {
	return []kind{
		{Name: ".NET", Files: []string{"*.csproj", "*.fsproj", "*.vbproj", "*.sln", "*.slnx", "global.json", "*/*.csproj",
			"*/*.fsproj", "*/*.vbproj", "src/*/*.csproj", "src/*/*.fsproj"},
			Missing: "its SDK and its runtime are on no registry of packages that s2i reads; NuGet has only libraries",
			Instead: "run `dotnet publish --self-contained -r linux-x64`, and give s2i the output with a Procfile"},
		{Name: "Gleam", Files: []string{"gleam.toml"}, Missing: noSDK + ", and its packages come from Hex",
			Instead: "run `gleam export erlang-shipment` and package the result with an Erlang runtime"},
		{Name: "Elixir", Files: []string{"mix.exs"}, Missing: "there is no buildpack for it; its packages come from Hex",
			Instead: "run `mix release`, which includes the runtime, and give s2i the output with a Procfile"},
		{Name: "Erlang", Files: []string{"rebar.config", "erlang.mk"},
			Missing: "there is no buildpack for it; its packages come from Hex",
			Instead: "run `rebar3 as prod release` with include_erts, and give s2i the output with a Procfile"},
		{Name: "Scala (sbt)", Files: []string{"build.sbt", "project/build.properties"},
			Missing: "sbt itself is on no registry of packages that s2i reads",
			Instead: "run `sbt assembly`, and give s2i the directory that holds the jar"},
		{Name: "Scala (Mill)", Files: []string{"build.sc", "build.mill", "mill"}, Missing: noPack, Instead: jarOut},
		{Name: "Clojure", Files: []string{"project.clj", "deps.edn", "build.boot"},
			Missing: "its tools are on no registry of packages that s2i reads, and its libraries come from Clojars",
			Instead: "build the uberjar (`lein uberjar`, tools.build), and give s2i the directory that holds it"},
		{Name: "Java with Ant", Weak: true, Files: []string{"build.xml"}, Missing: noPack, Instead: jarOut},
		{Name: "Kotlin script or sources without a build", Weak: true, Files: []string{"*.main.kts", "*.kt", "src/*.kt"},
			Missing: "there is no pom.xml that says what it depends on", Instead: "add a pom.xml"},
		{Name: "Java sources without a build", Weak: true, Files: []string{"*.java", "src/*.java"},
			Missing: "there is no pom.xml that says what it depends on and what to start", Instead: "add a pom.xml"},
		{Name: "Swift", Files: []string{"Package.swift"}, Missing: noSDK,
			Instead: "run `swift build -c release --static-swift-stdlib`, and give s2i the binary with a Procfile"},
		{Name: "Haskell", Files: []string{"stack.yaml", "cabal.project", "*.cabal", "package.yaml"},
			Missing: "there is no buildpack for it; its packages come from Hackage"},
		{Name: "Flutter", Files: []string{"lib/main.dart"}, Missing: noSDK,
			Instead: "run `flutter build web`, and give s2i the directory build/web"},
		{Name: "Dart", Files: []string{"pubspec.yaml"}, Missing: noSDK + ", and its packages come from pub",
			Instead: "run `dart compile exe`, and give s2i the binary with a Procfile"},
		{Name: "Crystal", Files: []string{"shard.yml"}, Missing: noPack,
			Instead: "run `crystal build --release --static`, and give s2i the binary with a Procfile"},
		{Name: "Nim", Files: []string{"*.nimble"}, Missing: noPack},
		{Name: "Zig", Files: []string{"build.zig"}, Missing: noSDK,
			Instead: "run `zig build -Dtarget=x86_64-linux-musl`, and give s2i the binary with a Procfile"},
		{Name: "OCaml", Files: []string{"dune-project", "*.opam"},
			Missing: "there is no buildpack for it; its packages come from opam"},
		{Name: "Julia", Files: []string{"Project.toml", "JuliaProject.toml"}, Missing: noSDK},
		{Name: "R", Files: []string{"renv.lock", "app.R", "server.R", "plumber.R"},
			Missing: "there is no buildpack for it; its packages come from CRAN"},
		{Name: "Perl", Files: []string{"cpanfile", "Makefile.PL", "Build.PL", "app.psgi"},
			Missing: "there is no buildpack for it; its packages come from CPAN"},
		{Name: "Lua", Weak: true, Files: []string{"*.rockspec", "*.lua"}, Missing: noPack},
		{Name: "Elm", Files: []string{"elm.json"}, Missing: "its packages come from a host of its own",
			Instead: "add a package.json whose script build compiles it, or give s2i the compiled site"},
		{Name: "PureScript", Files: []string{"spago.yaml", "spago.dhall"}, Missing: noPack,
			Instead: "add a package.json whose script build compiles it"},
		{Name: "Common Lisp", Files: []string{"*.asd"}, Missing: noPack},
		{Name: "Racket", Weak: true, Files: []string{"*.rkt"}, Missing: noPack},
		{Name: "Groovy", Weak: true, Files: []string{"*.groovy"}, Missing: noPack, Instead: jarOut},
		{Name: "Fortran", Files: []string{"fpm.toml", "*.f90"}, Missing: noPack},
		{Name: "COBOL", Weak: true, Files: []string{"*.cbl", "*.cob"}, Missing: noPack},
		{Name: "Ada", Files: []string{"alire.toml", "*.gpr"}, Missing: noPack},
		{Name: "D", Files: []string{"dub.json", "dub.sdl"}, Missing: noPack},
		{Name: "V", Files: []string{"v.mod"}, Missing: noSDK},
		{Name: "Go sources without a module", Weak: true, Files: []string{"*.go"}, Missing: "there is no go.mod",
			Instead: "run `go mod init`"},
		{Name: "PowerShell", Files: []string{"*.ps1", "*.psd1"}, Missing: noSDK, Weak: true},
	}
}

// sites are sites that a generator makes of text.
func sites() []kind {
	const out = "run its build, and give s2i the directory of the finished site"
	return []kind{
		{Name: "Hugo site", Files: []string{"hugo.toml", "hugo.yaml", "hugo.json", "config/_default/hugo.toml", "archetypes/default.md"},
			Missing: noPack, Instead: out + " (public)"},
		{Name: "Zola site", Files: []string{"config.toml", "templates/index.html"}, Missing: noPack, Instead: out + " (public)", Weak: true},
		{Name: "MkDocs site", Weak: true, Files: []string{"mkdocs.yml", "mkdocs.yaml"}, Missing: noPack, Instead: out + " (site)"},
		{Name: "Sphinx documentation", Files: []string{"conf.py", "docs/conf.py", "docs/source/conf.py"}, Missing: noPack,
			Instead: out, Weak: true},
		{Name: "mdBook", Weak: true, Files: []string{"book.toml"}, Missing: noPack, Instead: out + " (book)"},
		{Name: "Jekyll site", Weak: true, Files: []string{"_config.yml", "_config.yaml"}, Missing: noPack, Instead: out + " (_site)"},
		{Name: "Jupyter notebook", Files: []string{"*.ipynb", "notebooks/*.ipynb"}, Weak: true,
			Missing: "there is no program to start in it",
			Instead: "add a server such as voila to requirements.txt, and a Procfile that starts it"},
	}
}

// descriptions tell how something is built or run, which is not an app by itself.
func descriptions() []kind {
	return []kind{
		{Name: "C or C++", Weak: true, Files: []string{"CMakeLists.txt", "meson.build", "configure.ac", "configure", "*.cpp",
			"*.cc", "*.c", "src/*.cpp", "src/*.c", "conanfile.txt", "conanfile.py", "vcpkg.json"},
			Missing: "nothing in its files tells which of what it builds is the app"},
		{Name: "Bazel", Weak: true, Files: []string{"MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel"},
			Missing: "Bazel itself is on no registry of packages that s2i reads"},
		{Name: "Nix", Weak: true, Files: []string{"flake.nix", "default.nix", "shell.nix"},
			Missing: "Nix itself is on no registry of packages that s2i reads"},
		{Name: "Compose file without an app", Weak: true,
			Files:   []string{"docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"},
			Missing: "it starts images that are built elsewhere", Instead: "build the directory of one of its services"},
		{Name: "Terraform", Weak: true, Files: []string{"*.tf", "*.tofu"}, Missing: "it is infrastructure, not an app",
			Instead: "build the directory of an app"},
		{Name: "Helm chart", Weak: true, Files: []string{"Chart.yaml"}, Missing: "it is a deployment, not an app",
			Instead: "build the directory of an app"},
		{Name: "Kubernetes configuration", Weak: true, Files: []string{"kustomization.yaml", "skaffold.yaml"},
			Missing: "it is a deployment, not an app", Instead: "build the directory of an app"},
		{Name: "Ansible", Weak: true, Files: []string{"ansible.cfg", "playbook.yml", "site.yml"},
			Missing: "it is configuration, not an app", Instead: "build the directory of an app"},
		{Name: "Makefile without an app that s2i knows", Weak: true, Files: []string{"Makefile", "GNUmakefile"},
			Missing: "nothing in it tells what is started"},
	}
}

// manifests are files of the languages that s2i builds.
func manifests() []string {
	return []string{
		"package.json", "go.mod", "go.work", "pom.xml", "build.gradle", "build.gradle.kts", "Cargo.toml", "pyproject.toml",
		"requirements.txt", "Pipfile", "Gemfile", "config.ru", "composer.json", "index.php", "deno.json", "deno.jsonc",
		"public/index.php", "web/index.php",
		"htdocs/index.php", "index.html", "public/index.html", "Staticfile", "Procfile",
	}
}
