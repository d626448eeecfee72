package node

import (
	"errors"
	"strings"
	"testing"

	"s2i/buildpacks/kit"
)

func TestStart(t *testing.T) {
	scripts := func(text string) string { return `{"scripts": {"start": ` + text + `}}` }
	for _, c := range []struct {
		name string
		app  files
		want string // [env] args (file) [shell] [before x]; or part of the reason
	}{
		{"script", files{"package.json": scripts(`"node server.js"`)}, "node server.js (server.js)"},
		{"without ending", files{"package.json": scripts(`"node ./bin/www"`), "bin/www.js": ""}, "node ./bin/www (bin/www.js)"},
		{"directory", files{"package.json": scripts(`"node ."`), "index.js": ""}, "node . (index.js)"},
		{"flags", files{"package.json": scripts(`"node -r dotenv/config --inspect=0 app.js -x"`)},
			"node -r dotenv/config --inspect=0 app.js -x (app.js)"},
		{"variables", files{"package.json": scripts(`"NODE_ENV=production A='b c' nodejs app"`)},
			"NODE_ENV=production A=b c node app (app)"},
		{"cross-env", files{"package.json": scripts(`"cross-env NODE_ENV=x node app"`)}, "NODE_ENV=x node app (app)"},
		{"npx", files{"package.json": scripts(`"npx --yes serve out"`)}, "serve out"},
		{"command of a package", files{"package.json": scripts(`"next start -p 3000"`)}, "next start -p 3000"},
		{"command by its path", files{"package.json": scripts(`"./node_modules/.bin/next start"`)}, "next start"},
		{"another script", files{"package.json": `{"scripts": {"start": "npm run prod -- --x 'y z'", "prod": "A=1 node p.js"}}`},
			"A=1 node p.js --x y z (p.js)"},
		{"another script, yarn", files{"package.json": `{"scripts": {"start": "yarn -s prod --x", "prod": "node p.js"}}`},
			"node p.js --x (p.js)"},
		{"a command, yarn", files{"package.json": scripts(`"yarn next start"`)}, "next start"},
		{"a script of a workspace", files{"package.json": `{"workspaces": ["w"], "scripts": {"start": "npm start -w w"}}`,
			"w/package.json": `{"name": "w", "scripts": {"start": "node s.js"}}`}, "node s.js (w/s.js)"},
		{"shell", files{"package.json": scripts(`"node a.js --port $P"`)}, "shell"},
		{"before", files{"package.json": `{"scripts": {"start": "node a.js", "prestart": "node b.js"}}`},
			"node a.js (a.js) before prestart"},
		{"for production", files{"package.json": `{"scripts": {"start": "nest start", "start:prod": "node dist/main"}}`},
			"node dist/main (dist/main)"},
		{"main", files{"package.json": `{"main": "lib"}`, "lib/index.js": ""}, "node lib/index.js (lib/index.js)"},
		{"main, to be built", files{"package.json": `{"main": "dist/m.js", "scripts": {"build": "tsc"}}`},
			"node dist/m.js (dist/m.js)"},
		{"main, missing", files{"package.json": `{"main": "no.js"}`, "app.mjs": ""}, "node app.mjs (app.mjs)"},
		{"main, outside", files{"package.json": `{"main": "../../x.js"}`, "server.js": ""}, "node server.js (server.js)"},
		{"usual names", files{"package.json": "{}", "app.js": "", "index.js": "", "server.js": ""}, "node server.js (server.js)"},

		{"development", files{"package.json": scripts(`"next dev"`)}, "next dev (a development server)"},
		{"watching", files{"package.json": scripts(`"node --watch a.js"`)}, "node --watch (a development server)"},
		{"a shell runs npm", files{"package.json": scripts(`"npm run migrate && node a.js"`)},
			"is run by a shell (it uses \"&&\"), and npm is not in the run image"},
		{"no such script", files{"package.json": scripts(`"npm run build"`)}, "runs the script build, which package.json does not have"},
		{"round and round", files{"package.json": `{"scripts": {"start": "npm run a", "a": "npm start"}}`},
			"scripts call each other without end"},
		{"no such workspace", files{"package.json": scripts(`"npm start -w w"`)}, "there is no workspace w"},
		{"nothing", files{"package.json": scripts(`"cross-env A=1"`)}, "names no program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.app.project(t)
			chosen, err := p.choose(p.root)
			s := chosen.start
			var rejected *rejection
			if errors.As(err, &rejected) {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("rejected: %v\nwant %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(s); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func describe(s *start) string {
	var parts []string
	for _, a := range s.Env {
		parts = append(parts, a.Name+"="+a.Value)
	}
	if s.Shell {
		parts = append(parts, "shell")
	} else {
		parts = append(parts, s.Args...)
	}
	if s.File != "" {
		parts = append(parts, "("+s.File+")")
	}
	if s.Before != "" {
		parts = append(parts, "before "+s.Before)
	}
	return strings.Join(parts, " ")
}

func TestChooseMain(t *testing.T) {
	app := files{"package.json": `{"workspaces": ["*"]}`, "web/package.json": `{"scripts": {"start": "vite"}}`,
		"api/package.json": `{"name": "@x/api", "scripts": {"start": "node s.js"}}`, "lib/package.json": `{}`, "lib/index.js": ""}
	for choice, want := range map[string]string{"": "api", "api": "api", "./api/": "api", "@x/api": "api", "lib": "lib"} {
		c, err := app.project(t).chooseMain(kit.Env{envApp: choice})
		if err != nil || c.member.Dir != want || c.start.Member != c.member {
			t.Errorf("choosing %q: %v, %v", choice, c, err)
		}
	}
}

func TestOnlyNode(t *testing.T) {
	for text, want := range map[string]bool{
		"node a.js $X": true, "cd x && A=$B exec node a": true, "./bin/x $Y": true, "next start": false, "a | node b": false,
		"node a; npx b": false,
	} {
		if onlyNode(text) != want {
			t.Errorf("onlyNode(%q) is %t", text, !want)
		}
	}
}
