package lifecycle

// Labels of images (platform §Exporter, §Run Image).
const (
	LabelLayersMetadata  = "io.buildpacks.lifecycle.metadata"
	LabelBuildMetadata   = "io.buildpacks.build.metadata"
	LabelProjectMetadata = "io.buildpacks.project.metadata"
	LabelExecEnv         = "io.buildpacks.exec-env"
	LabelRebasable       = "io.buildpacks.rebasable"
	LabelStackID         = "io.buildpacks.stack.id"
	LabelDistroName      = "io.buildpacks.base.distro.name"
	LabelDistroVersion   = "io.buildpacks.base.distro.version"
	LabelBaseID          = "io.buildpacks.base.id"
	// LabelCompatibility is ours: a JSON object of compatibility keys ("glibc", "node-modules", …) that a run image
	// offers and that rebase compares.
	LabelCompatibility = "io.s2i.compatibility"
	// LabelNeeds is ours: what the app's layers need from the base, recorded at export and checked by rebase.
	LabelNeeds = "io.s2i.needs"
	// LabelBaseConfig is ours: the run image's configuration object as the app image found it (the "config" of the OCI
	// image specification, as JSON), so that rebase can tell the base's settings from the app's.
	LabelBaseConfig = "io.s2i.base.config"
	// LabelPackages is ours: a JSON object with the stack, the set and the packages of a run image (stacks.Contents).
	LabelPackages = "io.s2i.packages"
	// LabelPlan is ours: why the image is as it is, as JSON (create.Plan).
	LabelPlan = "io.s2i.plan"
)

// Places inside images (platform §Lifecycle Interface), as slash paths.
const (
	AppDir         = "/workspace"
	LayersDir      = "/layers"
	PlatformDir    = "/platform"
	BuildpacksDir  = "/cnb/buildpacks"
	ExtensionsDir  = "/cnb/extensions"
	BuildConfigDir = "/cnb/build-config"
	LifecycleDir   = "/cnb/lifecycle"
	LauncherPath   = "/cnb/lifecycle/launcher"
	ProcessDir     = "/cnb/process"
)

// The user that built-in stacks build and run as (CNB_USER_ID, CNB_GROUP_ID).
const (
	UserID  = 1000
	GroupID = 1000
)

// PlatformAPI is the newest Platform API that the phases speak.
const PlatformAPI = "0.15"
