package stacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
)

// composer changes whenever the same parts would give other layers, so that layers of older versions are not taken for
// ours.
const composer = 6

// Compose makes the build image and the run image of a resolution. Layers that were composed before come from the store
// and need no downloads. When a locked Debian package is gone from every mirror, it is resolved anew from the signed
// index; that is noted in res, whose parts then are what was composed. With s.Locked that is an error. An image of which
// res has no parts is nil.
func (s *Stack) Compose(ctx context.Context, res *Resolution) (build, run v1.Image, err error) {
	ctx, task := progress.Start(ctx, "compose "+s.Config.Name, 0)
	defer func() { task.End(err) }()
	var layers map[string]v1.Layer
	for try := 0; ; try++ {
		if layers, err = s.layers(ctx, res); err == nil {
			break
		}
		if try == 3 {
			return nil, nil, err
		}
		if err := s.replace(ctx, res, err); err != nil {
			return nil, nil, err
		}
	}
	if len(res.Build) > 0 {
		if build, err = s.makeImage(ctx, res, imageBuild, layers); err != nil {
			return nil, nil, err
		}
	}
	if len(res.Run) > 0 {
		if run, err = s.makeImage(ctx, res, imageRun, layers); err != nil {
			return nil, nil, err
		}
	}
	return build, run, nil
}

// replace changes the part of res that err, met while composing, says cannot be had; other errors it returns.
func (s *Stack) replace(ctx context.Context, res *Resolution, err error) error {
	var gone *apt.GoneError
	var missing *missingError
	switch {
	case errors.As(err, &gone):
		return s.replaceGone(ctx, res, gone)
	case errors.As(err, &missing):
		return s.replaceMissing(ctx, res, missing)
	default:
		return err
	}
}

// layers makes the layers of all parts, by key.
func (s *Stack) layers(ctx context.Context, res *Resolution) (map[string]v1.Layer, error) {
	type job struct {
		part Part
		need store.Form
	}
	jobs := map[string]*job{}
	var keys []string
	for image, parts := range map[string][]Part{imageBuild: res.Build, imageRun: res.Run} {
		for _, p := range parts {
			key := s.key(p)
			if jobs[key] == nil {
				jobs[key] = &job{part: p}
				keys = append(keys, key)
			}
			if image == imageBuild {
				jobs[key].need |= store.Tree
			} else {
				jobs[key].need |= store.Blob
			}
		}
	}
	slices.Sort(keys)
	made := make([]v1.Layer, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.jobs())
	for i, key := range keys {
		g.Go(func() error {
			var err error
			made[i], err = s.layer(ctx, key, jobs[key].part, jobs[key].need)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	layers := map[string]v1.Layer{}
	for i, key := range keys {
		layers[key] = made[i]
	}
	return layers, nil
}

// key identifies what a part's layer holds.
func (s *Stack) key(p Part) string {
	type content struct {
		Composer  int
		Set       string
		Drop      []string
		OSRelease map[string]string
		Debs      []string
		Provider  string
		Tool      *ToolFile
		Name      string
		Dest      string
		Select    string
		With      []string            `json:",omitempty"`
		Take      map[string][]string `json:",omitempty"`
		Program   string              `json:",omitempty"`
	}
	c := content{Composer: composer, Provider: p.Provider, Tool: p.Tool, Dest: p.Dest, Select: p.Select, Set: p.Set,
		Program: p.Program}
	if p.Tool != nil {
		c.Name = p.Package
		f := *p.Tool
		f.Size = 0
		if f.H1 != "" {
			f.Integrity = "" // known only after the first download; the contents are the same
		}
		c.Tool = &f
	}
	if p.Set != "" {
		c.OSRelease = s.Config.OSRelease
		for image, sets := range map[string][]Set{imageRun: s.Config.Run, imageBuild: s.Config.Build} {
			for _, set := range sets {
				if image+"/"+set.Name == p.Set {
					c.Drop = set.Drop
				}
			}
		}
	}
	for _, d := range p.Debs {
		c.Debs = append(c.Debs, d.SHA256)
	}
	for _, d := range p.With {
		c.With = append(c.With, d.SHA256)
	}
	if p.Set == "" {
		c.Drop = s.Config.Packages[p.Package].Drop
		c.Take = s.Config.Packages[p.Package].Take
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) //nolint:forbidigo // not reached: strings and numbers can always be encoded
	}
	return "stack-" + checksum(b)
}

func (s *Stack) layer(ctx context.Context, key string, p Part, need store.Form) (v1.Layer, error) {
	var src store.Source
	switch p.Provider {
	case providerNPM, providerHTTPS:
		src = s.npmSource(p)
	case providerGoProxy:
		src = s.goSource(p)
	case providerPyPI:
		src = s.wheelSource(p)
	case providerMaven:
		src = s.distSource(p)
	default:
		src = s.debSource(p)
	}
	l, err := s.Store.Layer(ctx, src, store.LayerOptions{Key: key, Need: need})
	if err != nil && ctx.Err() == nil && s.dropDamaged(ctx, p) {
		l, err = s.Store.Layer(ctx, src, store.LayerOptions{Key: key, Need: need})
	}
	if err != nil {
		return nil, fmt.Errorf("composing %s: %w", p.title(), err)
	}
	return l, nil
}

// dropDamaged removes the files of a part that were spoiled after they were downloaded, and tells whether there were any.
func (s *Stack) dropDamaged(ctx context.Context, p Part) bool {
	files := map[string]string{} // names by integrity
	for _, d := range p.Debs {
		files["sha256:"+d.SHA256] = d.Name + " " + d.Version
	}
	if p.Tool != nil && p.Tool.Integrity != "" {
		files[p.Tool.Integrity] = p.title()
	}
	found := false
	for integrity, name := range files {
		if dropped, err := s.Store.DropDamaged(integrity); err == nil && dropped {
			progress.Warn(ctx, "the stored download of %s is damaged; getting it again", name)
			found = true
		}
	}
	return found
}

// title names a part for the user.
func (p Part) title() string {
	switch {
	case p.Set != "":
		return "base " + p.Set
	case p.Version != "":
		return p.Name + " " + p.Version
	default:
		return p.Name
	}
}

// getDebs downloads packages in parallel and gives their paths in order.
func (s *Stack) getDebs(ctx context.Context, debs []Deb) ([]string, error) {
	archive, err := s.archive(ctx)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(debs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.jobs())
	for i, d := range debs {
		g.Go(func() error {
			var err error
			paths[i], err = s.getDeb(ctx, archive, d)
			return err
		})
	}
	return paths, g.Wait()
}

// replaceGone resolves anew the parts that hold a package which is gone. A base that changes takes everything with it,
// because packages stand on it.
func (s *Stack) replaceGone(ctx context.Context, res *Resolution, gone *apt.GoneError) error {
	if s.Locked || s.Offline {
		return fmt.Errorf("%w; build without --locked to take the suite's current version, or run `s2i stack lock`", gone)
	}
	old, ok := findDeb(res, gone.File.SHA256)
	if !ok {
		return gone
	}
	drop, inBase := map[string]bool{}, false
	for _, p := range slices.Concat(res.Build, res.Run) {
		for _, d := range p.Debs {
			if d.source() == old.source() {
				drop[d.Name] = true
				inBase = inBase || p.Set != ""
			}
		}
	}
	if err := s.reresolve(ctx, res, drop, inBase); err != nil {
		return fmt.Errorf("%w; resolving it anew: %w", gone, err)
	}
	now := "no longer part of it"
	for _, parts := range [][]Part{res.Build, res.Run} {
		for _, p := range parts {
			for _, d := range p.Debs {
				if d.Name == old.Name {
					now = d.Version
				}
			}
		}
	}
	if now == old.Version {
		return fmt.Errorf("%w; the signed index still names it: the mirror is incomplete", gone)
	}
	note := fmt.Sprintf("Debian package %s %s is gone from the mirrors; using %s from the signed index instead "+
		"(`s2i stack lock` refreshes the lock)", old.Name, old.Version, now)
	res.Notes = append(res.Notes, note)
	progress.Warn(ctx, "%s", note)
	return nil
}

func (d Deb) source() string {
	name, ver := d.Source, d.SourceVersion
	if name == "" {
		name = d.Name
	}
	if ver == "" {
		ver = d.Version
	}
	return name + " " + ver
}

func findDeb(res *Resolution, sha256 string) (Deb, bool) {
	for _, p := range slices.Concat(res.Build, res.Run) {
		for _, d := range p.Debs {
			if d.SHA256 == sha256 {
				return d, true
			}
		}
	}
	return Deb{}, false
}

// reresolve resolves from the live index the parts that hold a package of drop, or all parts of Debian packages.
func (s *Stack) reresolve(ctx context.Context, res *Resolution, drop map[string]bool, all bool) error {
	snap, err := s.index(ctx, res.Target.Arch)
	if err != nil {
		return err
	}
	for image, parts := range map[string][]Part{imageBuild: res.Build, imageRun: res.Run} {
		for i := range parts {
			p := &parts[i]
			hit := slices.ContainsFunc(p.Debs, func(d Deb) bool { return drop[d.Name] })
			if len(p.Debs) == 0 || !all && !hit {
				continue
			}
			roots, err := s.roots(p, image)
			if err != nil {
				return err
			}
			p.Live = true
			if i > 0 {
				if p.Debs, err = s.liveClosure(ctx, res, image, *p, roots, drop); err != nil {
					return err
				}
				continue
			}
			list, err := snap.Index.Closure(roots, apt.ClosureOptions{Exclude: s.Config.Exclude})
			if err != nil {
				return err
			}
			p.Debs = nil
			for _, d := range list {
				p.Debs = append(p.Debs, fromIndex(d))
			}
		}
	}
	return nil
}

// roots gives the names that a part of Debian packages was resolved from.
func (s *Stack) roots(p *Part, image string) ([]string, error) {
	if p.Set != "" {
		set, err := s.Config.set(image, p.Set[len(image)+1:])
		if err != nil {
			return nil, err
		}
		return set.Debs, nil
	}
	c, ok := s.Config.Packages[p.Package]
	switch {
	case ok && c.Provider == "":
		return c.lines()[p.Line].debs(image), nil
	case ok:
		var debs []string
		for _, e := range c.Extra {
			debs = append(debs, e.Debs...)
		}
		return debs, nil
	default:
		return []string{p.Package}, nil
	}
}
