package node

import (
	_ "embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// fetchServer is a server for what a framework makes as a request handler: dist/server/server.js, with the files for
// browsers in dist/client.
//
//go:embed fetchserver.mjs
var fetchServer string

// fetchServerFile is where it is put, relative to the member.
const fetchServerFile = "dist/s2i-server.mjs"

// serveFetch lets the framework's request handler be started by our server.
func (f *framework) serveFetch() {
	f.Args, f.Keep, f.FetchServer = []string{"node", fetchServerFile}, []string{"dist", "package.json"}, true
	f.Env = everywhere("HOST")
}

// addFetchServer puts the server beside the handler that the build made in the tree in dir.
func (b *builder) addFetchServer(dir string) error {
	f := b.d.framework
	if f == nil || !f.FetchServer || len(f.Args) == 0 {
		return nil
	}
	handler := path.Join(f.Member.Dir, "dist/server/server.js")
	if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(handler))); err != nil {
		return fmt.Errorf("%s: the build made no %s: add a start script with a server, or the nitro plugin: %w",
			f.Source, handler, err)
	}
	file := filepath.Join(dir, filepath.FromSlash(f.Member.Dir), filepath.FromSlash(fetchServerFile))
	if err := os.WriteFile(file, []byte(fetchServer), 0o644); err != nil {
		return fmt.Errorf("adding a server to what was built: %w", err)
	}
	return nil
}
