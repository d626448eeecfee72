package python

import "slices"

// programs are packages that start a program or load a library by name, which no file says that they need: what they
// need of the stack in the run image.
func programs() map[string][]string {
	return map[string][]string{
		"pdf2image": {"poppler-utils"}, "pydub": {"ffmpeg"}, "pytesseract": {"tesseract-ocr"}, "graphviz": {"graphviz"},
		"ffmpeg-python": {"ffmpeg"}, "python-magic": {"libmagic1"}, "pyzbar": {"libzbar0"}, "cairocffi": {"libcairo2"},
		"weasyprint": {"libpango-1.0-0", "libpangoft2-1.0-0"}, "pyenchant": {"libenchant-2-2"},
	}
}

// runDebs gives what the app's packages need in the run image, and which packages do.
func (d *dependencies) runDebs() (packages, debs []string) {
	known := programs()
	for _, name := range sortedKeys(known) {
		if _, ok := d.has(name); ok {
			packages = append(packages, name)
			debs = append(debs, known[name]...)
		}
	}
	slices.Sort(debs)
	return packages, slices.Compact(debs)
}
