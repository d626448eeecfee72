// Command static-server is the web server of images of static sites: see s2i/buildpacks/staticserver/server.
package main

import (
	"os"

	"s2i/buildpacks/staticserver/server"
)

func main() { os.Exit(server.Main(os.Args, os.Getenv, os.Stderr)) }
