package java

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of an XML file; a POM of ten thousand lines is below all of them.
const (
	maxXML      = 8 << 20
	maxDepth    = 100
	maxElements = 200_000
)

// element is one element of an XML file. Namespaces and attributes are of no interest in a POM.
type element struct {
	Name     string
	Text     string
	Line     int
	Children []*element
}

// parseXML reads a whole file. Document types are refused, so that no entity is ever expanded but those of XML itself
// and of HTML, which Maven knows too.
func parseXML(file string, data []byte) (*element, error) {
	if len(data) > maxXML {
		return nil, fmt.Errorf("%s has %d bytes: at most %d are read", file, len(data), maxXML)
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Entity = xml.HTMLEntity
	d.CharsetReader = charsetReader
	r := &xmlReader{file: file}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := d.InputPos()
		if err == nil {
			err = r.token(token, line)
		}
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, fmt.Errorf("parsing %s:%d: %s", file, syntax.Line, syntax.Msg)
			}
			return nil, fmt.Errorf("parsing %s:%d: %w", file, line, err)
		}
	}
	if r.root == nil {
		return nil, fmt.Errorf("parsing %s: it is empty", file)
	}
	return r.root, nil
}

// xmlReader builds the tree.
type xmlReader struct {
	file  string
	root  *element
	open  []*element
	texts [][]byte // of the open elements
	count int
}

func (r *xmlReader) token(token xml.Token, line int) error {
	switch t := token.(type) {
	case xml.StartElement:
		r.count++
		if len(r.open) >= maxDepth || r.count > maxElements {
			return fmt.Errorf("it has more than %d elements, or they are nested deeper than %d", maxElements, maxDepth)
		}
		e := &element{Name: t.Name.Local, Line: line}
		if len(r.open) > 0 {
			parent := r.open[len(r.open)-1]
			parent.Children = append(parent.Children, e)
		} else if r.root == nil {
			r.root = e
		}
		r.open, r.texts = append(r.open, e), append(r.texts, nil)
	case xml.EndElement:
		last := len(r.open) - 1
		r.open[last].Text = string(bytes.TrimSpace(r.texts[last]))
		r.open, r.texts = r.open[:last], r.texts[:last]
	case xml.CharData:
		// Text between the children of an element is white space in the files that are read here.
		if last := len(r.open) - 1; last >= 0 && len(r.open[last].Children) == 0 {
			r.texts[last] = append(r.texts[last], t...)
		}
	case xml.Directive:
		return errors.New("it has a document type definition (<!DOCTYPE>), which is not read because of what entities" +
			" can do; Maven needs none: remove it")
	}
	return nil
}

// charsetReader reads the other encodings that POMs come in.
func charsetReader(charset string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1", "windows-1252", "cp1252", "iso-8859-15":
		data, err := io.ReadAll(input)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		for _, b := range data {
			text.WriteRune(rune(b))
		}
		return strings.NewReader(text.String()), nil
	}
	return nil, fmt.Errorf("its encoding %q is not known: save it as UTF-8", charset)
}

// child gives the first child of this name, or nil; it may be called on nil.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// at follows a path of names.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		e = e.child(name)
	}
	return e
}

// all gives the children; it may be called on nil.
func (e *element) all() []*element {
	if e == nil {
		return nil
	}
	return e.Children
}

// text gives the text; it may be called on nil.
func (e *element) text() string {
	if e == nil {
		return ""
	}
	return e.Text
}

// find gives every element of this name below e, in the order of the file.
func (e *element) find(name string) []*element {
	var found []*element
	for _, c := range e.all() {
		if c.Name == name {
			found = append(found, c)
		}
		found = append(found, c.find(name)...)
	}
	return found
}
