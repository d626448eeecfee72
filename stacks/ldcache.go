package stacks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
	"s2i/stacks/apt"
)

// ldCache is where the dynamic linker finds libraries without searching, and what `ldconfig -p` prints.
const ldCache = "etc/ld.so.cache"

// The form of that file that glibc has known since 2.2: a header, one entry per name, strings.
const (
	ldMagic      = "glibc-ld.so.cache1.1"
	ldHeader     = 48
	ldEntry      = 24
	ldLittle     = 2      // flags of the header: little endian
	ldLibc6      = 0x0003 // flags of an entry: made for this C library
	ldX8664Lib64 = 0x0300
	ldAArch64Lib = 0x0a00
)

// cacheLayer makes the layer with the dynamic linker's cache of an image; nil when nothing would read more of it than the
// linker finds anyway: there is no ldconfig, which Python asks for libraries, and no directory of libraries that only
// a file in /etc/ld.so.conf.d names.
func (s *Stack) cacheLayer(ctx context.Context, libraries *layerLibraries, arch string, need store.Form) (v1.Layer, error) {
	entries, apart := libraries.loadable(arch)
	if len(entries) == 0 || !libraries.Lister && !apart {
		return nil, nil
	}
	content := encodeCache(entries, arch)
	src := func(_ context.Context, w io.Writer) error {
		t := newTree(w)
		if err := t.write(ldCache, content, generated); err != nil {
			return err
		}
		return t.close()
	}
	return s.Store.Layer(ctx, src, store.LayerOptions{Key: "stack-ldcache-" + checksum(content), Need: need})
}

// loadable is one name by which a library can be loaded.
type loadable struct{ name, path string }

// loadable lists what the dynamic linker can load by name, in the order of the cache; apart tells that there is a
// library in a directory where it does not look of its own.
func (f *layerLibraries) loadable(arch string) (list []loadable, apart bool) {
	own := map[string]bool{}
	var dirs []string
	for _, name := range sortedKeys(f.Dirs) {
		dirs = append(dirs, f.Dirs[name]...)
	}
	for _, dir := range apt.LibraryDirs(arch) {
		own["usr/"+dir] = true
		dirs = append(dirs, "/"+dir)
	}
	taken, searched := map[string]bool{}, map[string]bool{}
	for _, shown := range dirs {
		dir := usrMerged(strings.TrimPrefix(shown, "/") + "/.")
		dir = path.Clean(dir)
		if searched[dir] {
			continue
		}
		searched[dir] = true
		for _, file := range sortedKeys(f.Files) {
			name := path.Base(file)
			if path.Dir(file) != dir || taken[name] || !f.loads(file) {
				continue
			}
			taken[name] = true
			apart = apart || !own[dir]
			list = append(list, loadable{name, path.Join(shown, name)})
		}
	}
	slices.SortFunc(list, func(a, b loadable) int { return -compareLibraries(a.name, b.name) })
	return list, apart
}

// loads tells whether a file is one that libraries are loaded by: it has the library's own name, or the short one that
// packages for developers have.
func (f *layerLibraries) loads(file string) bool {
	name := path.Base(file)
	if !strings.HasPrefix(name, "lib") && !strings.HasPrefix(name, "ld-") {
		return false
	}
	const maxLinks = 8
	at := file
	for range maxLinks {
		l, ok := f.Files[at]
		switch {
		case !ok:
			return false
		case l.Link == "":
			return l.Soname == name || l.Soname == "" && at == file || at != file && strings.HasSuffix(name, ".so")
		case path.IsAbs(l.Link):
			at = usrMerged(path.Clean(l.Link)[1:])
		default:
			at = usrMerged(path.Join("/", path.Dir(at), l.Link)[1:])
		}
	}
	return false
}

// encodeCache writes the cache.
func encodeCache(list []loadable, arch string) []byte {
	flags := uint32(ldLibc6 | ldX8664Lib64)
	if arch == "arm64" {
		flags = ldLibc6 | ldAArch64Lib
	}
	le := binary.LittleEndian
	start := uint32(ldHeader + ldEntry*len(list))
	var entries, strs []byte
	put := func(s string) uint32 {
		at := start + uint32(len(strs))
		strs = append(append(strs, s...), 0)
		return at
	}
	for _, l := range list {
		entries = le.AppendUint32(entries, flags)
		entries = le.AppendUint32(entries, put(l.name))
		entries = le.AppendUint32(entries, put(l.path))
		entries = append(entries, make([]byte, 12)...) // versions of systems and kinds of processors: any
	}
	var b bytes.Buffer
	b.WriteString(ldMagic)
	b.Write(le.AppendUint32(nil, uint32(len(list))))
	b.Write(le.AppendUint32(nil, uint32(len(strs))))
	b.Write([]byte{ldLittle, 0, 0, 0})
	b.Write(make([]byte, ldHeader-b.Len())) // no extensions
	b.Write(entries)
	b.Write(strs)
	return b.Bytes()
}

// compareLibraries is the order in which the dynamic linker searches: numbers count as such, and come after letters.
func compareLibraries(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingDigits(a), leadingDigits(b)
		switch {
		case x > 0 && y > 0:
			if c := compareNumbers(a[:x], b[:y]); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
		case x > 0:
			return 1
		case y > 0:
			return -1
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
