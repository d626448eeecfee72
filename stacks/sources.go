package stacks

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"s2i/stacks/apt"
	"s2i/stacks/fetch"
	"s2i/stacks/goproxy"
	"s2i/stacks/maven"
	"s2i/stacks/mirrors"
	"s2i/stacks/npm"
	"s2i/stacks/pypi"
)

// snapshotArchive keeps every state that Debian's archives ever had, by time.
const snapshotArchive = "https://snapshot.debian.org/archive"

// Sources says where packages come from.
type Sources struct {
	Deb     map[string][]apt.Mirror // by archive ("debian", "debian-security"), best first
	NPM     npm.Config
	GoProxy string     // as GOPROXY
	PyPI    fetch.Site // without an index, an installed pip is asked for its own
	Maven   fetch.Site
	Netrc   fetch.Netrc                 // credentials for proxies and mirrors
	SumDB   string                      // verifier key of the checksum database
	Sites   map[string]string           // addresses instead of makers' distribution sites, by package
	Fetch   *fetch.Client               // does the requests
	Origin  string                      // replaces goproxy.Origin, for tests
	Now     func() time.Time            // the clock for the age of indexes; nil means time.Now
	Keys    func() (apt.Keyring, error) // the keys of the Debian archive; nil means the embedded ones
}

// LoadSources finds the sources of the machine and its user: S2I_MIRRORS and s2i's configuration file first, then
// apt's sources, npm's configuration, GOPROXY, pip's and uv's configuration, and Maven's settings. Debian's snapshot
// archive at the lock's time comes last.
func LoadSources(ctx context.Context, lock *Lock, env func(string) string) (*Sources, error) {
	m, err := mirrors.Load(env)
	if err != nil {
		return nil, err
	}
	s := &Sources{Deb: map[string][]apt.Mirror{}, Netrc: fetch.LoadNetrc(env), SumDB: goproxy.SumDB, Fetch: fetch.New(),
		Sites: map[string]string{}}
	s.addDebian(m, lock)
	if list := m[mirrors.NPM]; len(list) > 0 {
		s.NPM = npm.NewConfig(list[0])
	} else {
		s.NPM = npm.LoadConfig(ctx, env)
	}
	if list := m[mirrors.GoProxy]; len(list) > 0 {
		s.GoProxy = strings.Join(list, ",")
	} else {
		s.GoProxy = goproxy.LoadList(ctx, env)
	}
	if list := m[mirrors.PyPI]; len(list) > 0 {
		s.PyPI = fetch.NewSite(list[0], s.Netrc)
	} else {
		s.PyPI = pypi.ReadConfig(env)
	}
	if list := m[mirrors.Maven]; len(list) > 0 {
		s.Maven = fetch.NewSite(list[0], s.Netrc)
	} else {
		s.Maven = maven.LoadConfig(env)
	}
	for key, list := range m {
		if name, ok := strings.CutPrefix(key, "https-"); ok && len(list) > 0 {
			s.Sites[name] = list[0]
		}
	}
	return s, nil
}

func (s *Sources) addDebian(m mirrors.Mirrors, lock *Lock) {
	system := apt.SystemSources(os.DirFS("/etc/apt"))
	for archive, key := range map[string]string{"debian": mirrors.Deb, "debian-security": mirrors.DebSecurity} {
		bases := m[key]
		if len(bases) == 0 {
			bases = apt.DebianBases(system, archive)
		}
		for _, base := range bases {
			s.Deb[archive] = append(s.Deb[archive], apt.Mirror{Base: base})
		}
		if allLocal(bases) {
			continue // a vendored tree is all there is
		}
		if t := lock.date(archive); !t.IsZero() {
			// The archive takes snapshots some hours apart; it redirects to the one before the time asked for.
			stamp := t.Add(12 * time.Hour).UTC().Format("20060102T150405Z")
			base := fmt.Sprintf("%s/%s/%s", snapshotArchive, archive, stamp)
			s.Deb[archive] = append(s.Deb[archive], apt.Mirror{Base: base, Dated: true, Last: len(bases) > 0})
		}
	}
}

func allLocal(bases []string) bool {
	for _, b := range bases {
		if u, err := url.Parse(b); err != nil || u.Scheme != "file" {
			return false
		}
	}
	return len(bases) > 0
}

// sources gives the stack's sources, finding them when nobody has set them.
func (s *Stack) sources(ctx context.Context) (*Sources, error) {
	if s.Sources != nil {
		return s.Sources, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		found, err := LoadSources(ctx, s.Lock, os.Getenv)
		if err != nil {
			return nil, fmt.Errorf("finding out where packages come from: %w", err)
		}
		s.found = found
	}
	return s.found, nil
}

// archive gives access to the Debian archives.
func (s *Stack) archive(ctx context.Context) (*apt.Archive, error) {
	src, err := s.sources(ctx)
	if err != nil {
		return nil, err
	}
	keys := apt.Keys
	if src.Keys != nil {
		keys = src.Keys
	}
	ring, err := keys()
	if err != nil {
		return nil, err
	}
	return &apt.Archive{Fetch: src.Fetch, Store: s.Store, Keys: ring, Offline: s.Offline, Now: src.Now,
		Authorize: src.Netrc.Authorize,
		Mirrors:   func(archive string) []apt.Mirror { return src.Deb[archive] }}, nil
}

// proxy gives access to the Go module proxies.
func (s *Stack) proxy(ctx context.Context) (*goproxy.Client, *Sources, error) {
	src, err := s.sources(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &goproxy.Client{List: src.GoProxy, Fetch: src.Fetch, Authorize: src.Netrc.Authorize, Origin: src.Origin},
		src, nil
}
