package kit

import "path"

// FrontendName is the name in a build plan under which s2i/frontend builds the JavaScript part of an app in another
// language.
const FrontendName = "frontend"

// Frontend finds the JavaScript parts of an app in another language: a package.json with a script "build" in the app's
// directory, or else in a directory of the usual names. It gives a want for each, to be added to Match.Wants; the
// metadata's "dir" says where it is. The outputs are in the app before the language's own build starts, when the group
// has s2i/frontend first.
func Frontend(app *App) []Want {
	if HasFrontend(app, ".") {
		return []Want{frontendWant(".")}
	}
	var wants []Want
	for _, dir := range frontendDirs() {
		if HasFrontend(app, dir) {
			wants = append(wants, frontendWant(dir))
		}
	}
	return wants
}

// HasFrontend tells whether dir has a package.json with a script "build".
func HasFrontend(app *App, dir string) bool {
	var manifest struct {
		Scripts map[string]any `json:"scripts"`
	}
	name := path.Join(dir, "package.json")
	if !app.Has(name) || app.JSON(name, &manifest) != nil {
		return false
	}
	build, _ := manifest.Scripts["build"].(string)
	return build != ""
}

func frontendWant(dir string) Want {
	return Want{Name: FrontendName, Metadata: map[string]any{"dir": dir}, Optional: true}
}

// frontendDirs are where apps in other languages keep their JavaScript.
func frontendDirs() []string {
	return []string{
		"frontend", "client", "web", "ui", "webapp", "www", "assets", "theme", "theme/static_src", "app/frontend",
		"src/frontend", "src/main/frontend", "src/main/webapp", "src/main/web", "src/main/ui", "src/main/js", "static_src",
	}
}
