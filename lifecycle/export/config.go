package export

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// defaultPath is the PATH that container runtimes use when an image sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// layersMetadata says which layer holds what.
func layersMetadata(o Options, pieces []*piece) (lifecycle.LayersMetadata, error) {
	m := lifecycle.LayersMetadata{RunImage: o.RunImage, Stack: &lifecycle.StackMetadata{
		RunImage: lifecycle.RunImageName{Image: o.RunImage.Image, Mirrors: o.RunImage.Mirrors},
	}}
	config, err := o.base().ConfigFile()
	if err != nil {
		return m, fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	if ids := config.RootFS.DiffIDs; len(ids) > 0 {
		m.RunImage.TopLayer = ids[len(ids)-1].String()
	}
	for _, bp := range o.Group {
		if bp.Extension {
			continue
		}
		dir, err := lifecycle.ReadBuildpackDir(o.LayersDir, bp)
		if err != nil {
			return m, err
		}
		m.Buildpacks = append(m.Buildpacks, lifecycle.BuildpackLayers{
			ID: bp.ID, Version: bp.Version, Layers: map[string]lifecycle.LayerMetadata{}, Store: dir.Store,
		})
	}
	for _, p := range pieces {
		record(&m, p)
	}
	return m, nil
}

func record(m *lifecycle.LayersMetadata, p *piece) {
	sha := lifecycle.LayerSHA{SHA: p.diffID.String()}
	switch p.role {
	case roleBuildpack:
		m.For(p.own.Buildpack.ID).Layers[p.own.Name] = lifecycle.LayerMetadata{
			SHA: sha.SHA, Data: p.own.TOML.Metadata, LayerTypes: p.own.Types(),
		}
	case roleSBOM:
		m.SBOM = &sha
	case roleApp:
		m.App = append(m.App, sha)
	case roleLauncher:
		m.Launcher = sha
	case roleConfig:
		m.Config = sha
	case roleProcesses:
		m.ProcessTypes = sha
	}
}

// configure edits the run image's configuration c into the app's. What it does not set stays as it is.
func configure(o Options, c *v1.ConfigFile, metadata lifecycle.LayersMetadata, needs lifecycle.Needs) error {
	base, err := image.ConfigObject(o.base())
	if err != nil {
		return fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	c.Created = v1.Time{Time: o.Created}
	c.Container = ""
	env := newEnvironment(c.Config.Env)
	env.set("CNB_LAYERS_DIR", o.Places.Layers)
	env.set("CNB_APP_DIR", o.Places.App)
	env.set("CNB_PLATFORM_API", lifecycle.PlatformAPI)
	env.set("CNB_DEPRECATION_MODE", "quiet")
	below := env.get("PATH")
	if below == "" {
		below = defaultPath
	}
	env.set("PATH", lifecycle.ProcessDir+":"+path.Dir(lifecycle.LauncherPath)+":"+below)
	c.Config.Env = env
	c.Config.WorkingDir = o.Places.App
	c.Config.Entrypoint = []string{entrypoint(o)}
	c.Config.Cmd = nil

	labels := maps.Clone(c.Config.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, label := range o.Metadata.Labels {
		labels[label.Key] = label.Value
	}
	maps.Copy(labels, o.Labels)
	if o.ExecEnv != "" {
		labels[lifecycle.LabelExecEnv] = o.ExecEnv
	}
	c.Config.Labels = labels
	for name, value := range map[string]any{
		lifecycle.LabelLayersMetadata:  metadata,
		lifecycle.LabelBuildMetadata:   o.Metadata,
		lifecycle.LabelProjectMetadata: o.Project,
		lifecycle.LabelNeeds:           needs,
		lifecycle.LabelBaseConfig:      base,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encoding the label %s: %w", name, err)
		}
		labels[name] = string(text)
	}
	return nil
}

// entrypoint is the link of the default process, or the launcher itself when there is none.
func entrypoint(o Options) string {
	if o.DefaultProcess == "" {
		return lifecycle.LauncherPath
	}
	return lifecycle.ProcessDir + "/" + o.DefaultProcess
}

// environment is the Env of an image's configuration.
type environment []string

func newEnvironment(env []string) environment { return append(environment(nil), env...) }

func (e environment) get(name string) string {
	for _, entry := range e {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// set replaces a variable where it is, or adds it at the end.
func (e *environment) set(name, value string) {
	for i, entry := range *e {
		if strings.HasPrefix(entry, name+"=") {
			(*e)[i] = name + "=" + value
			return
		}
	}
	*e = append(*e, name+"="+value)
}

// withConfig gives an image its configuration. What v1.ConfigFile does not know of the run image's is kept.
func withConfig(img v1.Image, c *v1.ConfigFile, o Options) (v1.Image, error) {
	return image.Reconfigure(img, c, o.base())
}
