package java

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Tags of the constant pool (Java Virtual Machine Specification §4.4).
const (
	tagUTF8   = 1
	tagLong   = 5
	tagDouble = 6
	tagClass  = 7
	tagString = 8
)

// constantSize gives the length of a constant after its tag, 0 for an unknown tag.
func constantSize(tag byte) int {
	switch tag {
	case tagClass, tagString, 16, 19, 20:
		return 2
	case 15:
		return 3
	case 3, 4, 9, 10, 11, 12, 17, 18:
		return 4
	case tagLong, tagDouble:
		return 8
	}
	return 0
}

// maxName is longer than the name of any class of a JDK.
const maxName = 200

var errClass = errors.New("it is no class file")

// constants calls text for every text in the constant pool of a class: names of classes and members, descriptors,
// signatures and strings. A text is a part of class, which it must not keep.
func constants(class []byte, text func([]byte)) error {
	const magic, head = 0xCAFEBABE, 10
	if len(class) < head || binary.BigEndian.Uint32(class) != magic {
		return errClass
	}
	count := int(binary.BigEndian.Uint16(class[8:]))
	rest := class[head:]
	for i := 1; i < count; i++ {
		if len(rest) < 3 {
			return errClass
		}
		tag := rest[0]
		size := constantSize(tag)
		if tag == tagUTF8 {
			size = 2 + int(binary.BigEndian.Uint16(rest[1:]))
		}
		if size == 0 || len(rest) < 1+size {
			return errClass
		}
		if tag == tagUTF8 {
			text(rest[3 : 1+size])
		}
		if tag == tagLong || tag == tagDouble {
			i++ // they count twice
		}
		rest = rest[1+size:]
	}
	return nil
}

// classNames calls name for every name of a class, with slashes, in a text of the constant pool: the text itself
// ("java/sql/Driver", "[Ljava/sql/Driver;"), and what a descriptor or signature refers to ("(Ljava/sql/Driver;)V"). A name
// in a string ("java.sql.Driver") has dots; dotted tells so.
func classNames(text []byte, name func(name []byte, dotted bool)) {
	if len(text) < len("java/x") {
		return
	}
	for rest := text; ; {
		i := bytes.IndexByte(rest, 'L')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		if end := bytes.IndexAny(rest[:min(len(rest), maxName)], ";<"); end > 0 {
			name(rest[:end], false)
		}
	}
	switch {
	case bytes.IndexByte(text, '/') > 0:
		name(text, false)
	case bytes.IndexByte(text, '.') > 0:
		name(text, true)
	}
}
