package python

import (
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// byName is what a package starts or loads by its name, which no file that is installed says that it needs.
type byName struct {
	// what is for reading: "loads libpq". Libraries are needed by the build, too, when it runs the app's code.
	what string
	debs []string
	// unless are packages that bring it.
	unless []string
}

const loads, starts = "loads ", "starts "

// programs are packages that need something by its name.
func programs() map[string]byName {
	return map[string]byName{
		"cairocffi":      {loads + "libcairo", []string{"libcairo2"}, nil},
		"cairosvg":       {loads + "libcairo", []string{"libcairo2"}, nil},
		"discord-py":     {loads + "libopus", []string{"libopus0"}, nil},
		"ffmpeg-python":  {starts + "ffmpeg", []string{"ffmpeg"}, nil},
		"gitpython":      {starts + "git", []string{"git"}, nil},
		"graphviz":       {starts + "dot", []string{"graphviz"}, nil},
		"openai-whisper": {starts + "ffmpeg", []string{"ffmpeg"}, nil},
		"opuslib":        {loads + "libopus", []string{"libopus0"}, nil},
		"pdf2image":      {starts + "pdftoppm", []string{"poppler-utils"}, nil},
		"psycopg":        {loads + "libpq", []string{"libpq5"}, []string{"psycopg-binary", "psycopg-c"}},
		"pydub":          {starts + "ffmpeg", []string{"ffmpeg"}, nil},
		"pyenchant":      {loads + "libenchant", []string{"libenchant-2-2"}, nil},
		"pylibdmtx":      {loads + "libdmtx", []string{"libdmtx0b"}, nil},
		"pytesseract":    {starts + "tesseract", []string{"tesseract-ocr"}, nil},
		"python-magic":   {loads + "libmagic", []string{"libmagic1"}, nil},
		"pyttsx3":        {loads + "libespeak-ng", []string{"libespeak-ng1"}, nil},
		"pyusb":          {loads + "libusb", []string{"libusb-1.0-0"}, nil},
		"pyvips":         {loads + "libvips", []string{"libvips42"}, []string{"pyvips-binary"}},
		"pyzbar":         {loads + "libzbar", []string{"libzbar0"}, nil},
		"sounddevice":    {loads + "libportaudio", []string{"libportaudio2"}, nil},
		"wand":           {loads + "libMagickWand", []string{"imagemagick"}, nil},
		"weasyprint":     {loads + "libpango", []string{"libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"}, nil},
	}
}

// unseen is one thing that the app needs by its name.
type unseen struct {
	who, source string // the package, and where that stands
	byName
}

// unseen lists what the app needs by name: of its packages, and of Django's geographic framework.
func (d *decision) unseen() []unseen {
	var list []unseen
	known := programs()
	for _, name := range sortedKeys(known) {
		source, ok := d.deps.has(name)
		brought := slices.ContainsFunc(known[name].unless, func(other string) bool {
			_, ok := d.deps.has(other)
			return ok || d.deps.withExtra(name, strings.TrimPrefix(other, name+"-"))
		})
		if ok && !brought {
			list = append(list, unseen{name, source, known[name]})
		}
	}
	if d.dj != nil && d.dj.gis != "" {
		list = append(list, unseen{"django.contrib.gis", d.dj.gis, byName{loads + "libgdal", []string{"gdal-bin"}, nil}})
	}
	return list
}

// withExtra tells whether the app asks for a package with an extra.
func (d *dependencies) withExtra(name, extra string) bool {
	return slices.ContainsFunc(d.direct, func(r requirement) bool {
		return r.Name == name && slices.Contains(r.Extras, extra)
	})
}

// unseenNeeds requires it of the stack.
func (d *decision) unseenNeeds() []kit.Need {
	var needs []kit.Need
	runs := d.dj != nil && d.skipsCollect() == ""
	for _, u := range d.unseen() {
		for _, deb := range u.debs {
			n := kit.Need{Name: deb, Launch: true, Build: runs && strings.HasPrefix(u.what, loads)}
			if !slices.ContainsFunc(needs, func(have kit.Need) bool { return have.Name == deb }) {
				needs = append(needs, n)
			}
		}
	}
	return needs
}
