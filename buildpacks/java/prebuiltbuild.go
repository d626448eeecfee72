package java

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// prebuilt lays out an app that is built already.
func (b *builder) prebuilt(ctx context.Context) (*layout, bool, error) {
	p, err := findPrebuilt(b.app, b.env)
	if err != nil {
		return nil, false, err
	}
	if p == nil {
		return nil, false, fmt.Errorf("looking for the jar to start: it is gone since detection")
	}
	l, err := b.layOutPrebuilt(ctx, p)
	return l, p.stackJRE, err
}

func (b *builder) layOutPrebuilt(ctx context.Context, p *prebuilt) (*layout, error) {
	if p.File == "" {
		return b.layOutExploded(p)
	}
	j, err := openJar(b.app.FS(), p.File)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	sh := describe(j)
	if !p.war && !sh.Spring {
		// Others beside it may be on the class path that its manifest names: everything stays where it is.
		return &layout{Command: []string{"java", "-jar", p.File}, Scan: []string{b.app.Dir}, Listen: anyPort(),
			Slices: [][]string{{"lib"}}}, nil
	}
	s, err := newStage(b.app)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var l *layout
	if p.war {
		l, err = b.layOutServlets(ctx, s, j, "")
	} else {
		l, err = b.explode(s, j, sh)
	}
	if err != nil {
		return nil, err
	}
	if err := s.keep(kit.Fields(b.env[envKeep])); err != nil {
		return nil, err
	}
	return l, s.replace()
}

// layOutExploded starts what is the content of a jar where it is.
func (b *builder) layOutExploded(p *prebuilt) (*layout, error) {
	l := &layout{Command: []string{"java", p.Main}, Scan: []string{b.app.Dir}, Listen: anyPort()}
	for _, dir := range []string{"BOOT-INF", "WEB-INF"} {
		if !b.app.HasDir(path.Join(dir, "classes")) {
			continue
		}
		libs := b.filesIn(path.Join(dir, "lib"))
		if data, err := b.app.Read(path.Join(dir, "classpath.idx")); err == nil {
			order := slices.DeleteFunc(parseIndex(data), func(name string) bool { return !slices.Contains(libs, name) })
			libs = append(order, slices.DeleteFunc(libs, func(name string) bool { return slices.Contains(order, name) })...)
		}
		libs = append(libs, b.filesIn(path.Join(dir, "lib-provided"))...)
		l.Classpath = append([]string{path.Join(dir, "classes")}, libs...)
		released, snapshots := slicesOf(libs, nil)
		l.Slices = [][]string{released, snapshots}
		return l, nil
	}
	l.Classpath = []string{"."}
	return l, nil
}

// filesIn gives the jars in a directory of the app.
func (b *builder) filesIn(dir string) []string {
	f, err := b.app.Root().Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	found, err := f.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var all []string
	for _, name := range found {
		if path.Ext(name) == ".jar" && !strings.HasPrefix(name, "spring-boot-jarmode-") {
			all = append(all, path.Join(dir, name))
		}
	}
	slices.Sort(all)
	return all
}

// anyPort tells all frameworks the port: which one is in an archive is not known.
func anyPort() []kit.Assignment {
	return slices.Concat(springPort(), quarkusPort(), ports("Micronaut"))
}
