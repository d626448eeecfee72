package deb

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
)

// member is one file of an ar archive.
type member struct {
	name string
	body *io.SectionReader
}

// members lists the files of the ar archive in r (ar(5), the common form that deb(5) prescribes).
func members(r io.ReaderAt, size int64) ([]member, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, fmt.Errorf("%w: no ar archive", ErrFormat)
	}
	var list []member
	header := make([]byte, arHeaderSize)
	for at := int64(len(arMagic)); at < size; {
		if len(list) == maxMembers {
			return nil, fmt.Errorf("%w: more than %d members", ErrFormat, maxMembers)
		}
		if _, err := r.ReadAt(header, at); err != nil {
			return nil, fmt.Errorf("%w: the header at byte %d is cut off", ErrFormat, at)
		}
		m, err := parseMember(header)
		if err != nil {
			return nil, err
		}
		at += arHeaderSize
		if m.size > size-at {
			return nil, fmt.Errorf("%w: member %q is cut off", ErrFormat, m.name)
		}
		list = append(list, member{m.name, io.NewSectionReader(r, at, m.size)})
		at += m.size + m.size%2
	}
	return list, nil
}

type memberHeader struct {
	name string
	size int64
}

func parseMember(h []byte) (memberHeader, error) {
	if !bytes.Equal(h[58:60], []byte("`\n")) {
		return memberHeader{}, fmt.Errorf("%w: a member header has no end mark", ErrFormat)
	}
	name := strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/")
	size, err := strconv.ParseInt(strings.TrimRight(string(h[48:58]), " "), 10, 64)
	if err != nil || size < 0 {
		return memberHeader{}, fmt.Errorf("%w: member %q has size %q", ErrFormat, name, h[48:58])
	}
	return memberHeader{name, size}, nil
}
