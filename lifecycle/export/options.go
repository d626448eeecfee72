package export

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// Options is what the export phase works on.
type Options struct {
	// Store receives the layers.
	Store *store.Store
	// Run is the image below the app; RunImage is how to name it: Reference (by digest), Image and Mirrors. Image fills
	// in TopLayer.
	Run      v1.Image
	RunImage lifecycle.RunImageMetadata
	// Extended is Run before image extensions added layers to it, where the base of the app image ends; nil for Run.
	Extended v1.Image
	// Previous is the image that an earlier build made, from which layers without contents are taken; nil for none.
	Previous v1.Image

	// LayersDir and AppDir are where the directories are on this machine.
	LayersDir, AppDir string
	// Places says where they are in the image, and who owns them there.
	Places Places

	// Group lists the buildpacks that took part, in order. Extensions in it are passed over.
	Group []lifecycle.GroupElement
	// Metadata is <layers>/config/metadata.toml.
	Metadata lifecycle.BuildMetadata
	// Launcher is the launcher executable for the image's platform.
	Launcher []byte
	// DefaultProcess is the type that the user wants to start by default; "" for what the buildpacks say.
	DefaultProcess string
	// ExecEnv is the execution environment of the build ("production"); "" leaves its label out.
	ExecEnv string
	// Project is where the source came from.
	Project lifecycle.ProjectMetadata
	// Labels are the user's own labels. They win over labels of buildpacks, not over those of the specification.
	Labels map[string]string
	// Created is the image's time; zero means archive.Epoch, so that equal inputs give equal images.
	Created time.Time
	// Compression of new layers; empty means gzip. Zstd needs a run image with OCI media types.
	Compression store.Compression
	// OnLayer, when set, is told of every layer above the run image as soon as it is there, so that it can be sent ahead
	// of the image. It is called from several goroutines and must not block.
	OnLayer func(v1.Layer)
}

// base is the image that a rebase replaces.
func (o Options) base() v1.Image {
	if o.Extended != nil {
		return o.Extended
	}
	return o.Run
}

// Places is where the app and the layers are in the image. The zero value means the specification's defaults.
type Places struct {
	// Layers and App are absolute slash paths; "" means /layers and /workspace.
	Layers, App string
	// UID and GID own the files of the app and of buildpacks' layers. When both are 0 they are the user that the
	// built-in stacks build as (lifecycle.UserID, lifecycle.GroupID): an app never belongs to root.
	UID, GID int
}

// Result is an exported image.
type Result struct {
	Image v1.Image
	// Report is report.toml; its tags are for whoever publishes the image to fill in.
	Report lifecycle.Report
	// Metadata is the image's label lifecycle.LabelLayersMetadata.
	Metadata lifecycle.LayersMetadata
}

// ErrReuse is in the chain of the error when a layer has no contents here and cannot be taken from the previous image.
var ErrReuse = errors.New("cannot be taken from the previous image")

// withDefaults fills in what o leaves open and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Run == nil {
		return o, errors.New("export needs a store and a run image")
	}
	if o.Compression == "" {
		o.Compression = store.Gzip
	}
	if o.Created.IsZero() {
		o.Created = archive.Epoch
	}
	o.Created = o.Created.UTC().Truncate(time.Second)
	p := &o.Places
	if p.Layers == "" {
		p.Layers = lifecycle.LayersDir
	}
	if p.App == "" {
		p.App = lifecycle.AppDir
	}
	if p.UID == 0 && p.GID == 0 {
		p.UID, p.GID = lifecycle.UserID, lifecycle.GroupID
	}
	for _, place := range []string{p.Layers, p.App} {
		if err := checkPlace(place); err != nil {
			return o, err
		}
	}
	if o.DefaultProcess == "" {
		o.DefaultProcess = o.Metadata.BuildpackDefaultProcessType
	}
	return o, checkProcesses(o.Metadata.Processes, o.DefaultProcess)
}

// arch is the run image's architecture; "" when its configuration cannot be read, which shows soon enough.
func (o Options) arch() string {
	config, err := o.Run.ConfigFile()
	if err != nil {
		return ""
	}
	return config.Architecture
}

// merged are the paths that Debian and most others keep as links into /usr. A layer with an entry at one of them turns
// the link into a directory and hides the whole base system.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// checkPlace refuses a path at which no files of an app can be.
func checkPlace(place string) error {
	if !path.IsAbs(place) || path.Clean(place) != place || place == "/" {
		return fmt.Errorf("%q is no place for an app or its layers in an image: give a clean absolute path", place)
	}
	if top, _, _ := strings.Cut(place[1:], "/"); slices.Contains(merged, top) {
		return fmt.Errorf("a layer with entries below /%s would hide the base's link at that path; use another "+
			"directory than %s", top, place)
	}
	return nil
}

// checkProcesses makes sure that every process can be a file name, and that the one asked for exists.
func checkProcesses(processes []lifecycle.Process, wanted string) error {
	var types []string
	for _, p := range processes {
		if p.Type == "" || p.Type == "." || p.Type == ".." || strings.ContainsAny(p.Type, "/><:|&\\\x00") {
			return fmt.Errorf("process type %q cannot be a file name; use letters, digits, '.', '_' and '-'", p.Type)
		}
		types = append(types, p.Type)
	}
	if wanted != "" && !slices.Contains(types, wanted) {
		return fmt.Errorf("there is no process type %q to start by default; the buildpacks define: %s", wanted,
			strings.Join(types, ", "))
	}
	return nil
}
