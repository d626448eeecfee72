// Command launcher is /cnb/lifecycle/launcher of every image: see s2i/lifecycle/launch.
package main

import (
	"os"

	"s2i/lifecycle/launch"
)

func main() { os.Exit(launch.Main(os.Args, os.Environ())) }
