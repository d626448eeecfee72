package ruby

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// start is a process.
type start struct {
	Type    string
	Command []string
	Score   int
	Why     string
	// Env are variables that the process needs to listen where it is told to.
	Env []kit.Assignment
}

// errNoServer is the reason for a Rack app without a server.
type noServerError struct{ file string }

// Error tells what was looked for and how to name a server.
func (e *noServerError) Error() string {
	return e.file + " is there, but no server among the gems: add puma to the Gemfile, or a Procfile"
}

// servers are the servers for Rack in order of preference, with their command lines.
func servers() []struct {
	gem     string
	command []string
} {
	return []struct {
		gem     string
		command []string
	}{
		{"puma", []string{"puma", "--bind", "tcp://0.0.0.0:" + kit.Port}},
		{"falcon", []string{"falcon", "serve", "--bind", "http://0.0.0.0:" + kit.Port}},
		{"unicorn", []string{"unicorn", "--listen", "0.0.0.0:" + kit.Port}},
		{"iodine", []string{"iodine", "-b", "0.0.0.0", "-p", kit.Port}},
		{"thin", []string{"thin", "start", "--address", "0.0.0.0", "--port", kit.Port}},
		{"rackup", []string{"rackup", "--host", "0.0.0.0", "--port", kit.Port}},
		{"webrick", []string{"rackup", "--host", "0.0.0.0", "--port", kit.Port}},
	}
}

// findStart decides what is started. A Procfile with a process web makes it unnecessary.
func (d *decision) findStart(app *kit.App) error {
	switch {
	case d.procfile != "":
		return nil
	case d.rails:
		d.starts = append(d.starts, d.railsStart(app))
		return nil
	case app.Has("config.ru"):
		s := d.rackStart(app)
		if s == nil {
			return &noServerError{"config.ru"}
		}
		d.starts = append(d.starts, *s)
		return nil
	}
	d.starts = append(d.starts, d.scriptStarts(app)...)
	return nil
}

func (d *decision) railsStart(app *kit.App) start {
	if s := d.rackStart(app); s != nil && s.Command[0] == "puma" {
		s.Why = "config/application.rb, puma among the gems"
		return *s
	}
	return start{Type: kit.DefaultType, Score: 90, Why: "config/application.rb",
		Command: []string{"rails", "server", "--binding", "0.0.0.0", "--port", kit.Port}}
}

var pumaPort = regexp.MustCompile(`(?m)^\s*(port|bind)\b.*PORT`)

// rackStart gives the command of the server among the gems; nil when there is none.
func (d *decision) rackStart(app *kit.App) *start {
	for _, server := range servers() {
		if !d.has(server.gem) {
			continue
		}
		s := &start{Type: kit.DefaultType, Command: slices.Clone(server.command), Score: 90, Why: "config.ru, " + server.gem + " among the gems"}
		if server.gem == "puma" {
			if file := app.First("config/puma.rb", "config/puma/production.rb"); file != "" {
				data, err := app.Read(file)
				if err == nil && pumaPort.Match(data) {
					s.Command = []string{"puma", "--config", file}
				}
				s.Why += ", " + file
			}
		}
		if d.rails || app.Has("config.ru") {
			return s
		}
	}
	return nil
}

var (
	sinatraCode = regexp.MustCompile(`(?m)^\s*require\s+["']sinatra["']`)
	portCode    = regexp.MustCompile(`\bENV(\.fetch\(|\[)\s*["']PORT["']`)
	serverCode  = regexp.MustCompile(`\b(TCPServer|WEBrick::HTTPServer|Rackup?::Handler|Agoo::Server|Async::HTTP)\b`)
)

// scriptStarts looks for a program that listens by itself.
func (d *decision) scriptStarts(app *kit.App) []start {
	var found []start
	for _, name := range []string{"app.rb", "main.rb", "server.rb", "web.rb", "application.rb"} {
		data, err := app.Read(name)
		if err != nil {
			continue
		}
		s := start{Type: kit.DefaultType, Command: []string{"ruby", name}}
		switch {
		case sinatraCode.Match(data):
			s.Score, s.Why = 80, place(name, data, sinatraCode)+" is a Sinatra app"
		case portCode.Match(data):
			s.Score, s.Why = 70, place(name, data, portCode)+" reads PORT"
		case serverCode.Match(data):
			s.Score, s.Why = 40, place(name, data, serverCode)+" is a server, but of which port is not known"
		case app.Has(fileGemfile):
			s.Score, s.Why = 20, name+" is the only thing to start"
		default:
			continue
		}
		found = append(found, s)
	}
	slices.SortStableFunc(found, func(a, b start) int { return b.Score - a.Score })
	return found
}

func place(name string, data []byte, code *regexp.Regexp) string {
	return name + ":" + strconv.Itoa(kit.Line(data, code.FindIndex(data)[0]))
}

// readProcfile finds the process web of the Procfile; mine tells whether it starts Ruby.
func readProcfile(app *kit.App) (command string, mine bool) {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return "", false
	}
	entries, err := kit.ParseProcfile(data)
	if err != nil {
		return "", false
	}
	i := slices.IndexFunc(entries, func(e kit.ProcfileEntry) bool { return e.Type == kit.DefaultType })
	if i < 0 {
		return "", false
	}
	for _, word := range strings.Fields(entries[i].Command) {
		if word == "exec" || strings.Contains(word, "=") {
			continue
		}
		switch path.Base(word) {
		case "ruby", "bundle", "rackup", "rails", "rake", "puma", "unicorn", "thin", "falcon", "iodine", "passenger", "sidekiq":
			return entries[i].Command, true
		}
		return entries[i].Command, false
	}
	return "", false
}
