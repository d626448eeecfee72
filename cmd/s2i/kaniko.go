package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/progress"
)

// kanikoFlags are the names that Kaniko's users have in their pipelines. They are not in the help: each says in another
// way what a flag of ours says.
func kanikoFlags() []cli.Flag {
	text := func(name string) cli.Flag { return &cli.StringFlag{Name: name, Hidden: true} }
	list := func(name string) cli.Flag { return &cli.StringSliceFlag{Name: name, Hidden: true} }
	flags := []cli.Flag{
		text("context"), text("context-sub-path"), text("bucket"), list("git"), list("destination"),
		&cli.BoolFlag{Name: "no-push", Hidden: true, EnvVars: []string{"KANIKO_NO_PUSH"}},
		&cli.StringFlag{Name: "tar-path", Aliases: []string{"tarPath"}, Hidden: true}, text("oci-layout-path"),
		&cli.StringFlag{Name: "custom-platform", Aliases: []string{"customPlatform"}, Hidden: true}, text("compression-level"),
		text("image-name-with-digest-file"), text("image-name-tag-with-digest-file"),
		list("skip-tls-verify-registry"), text("verbosity"), text("log-format"),
	}
	for _, name := range slices.Concat(kanikoSwitches(), strings.Fields(kanikoSettled)) {
		flags = append(flags, &cli.BoolFlag{Name: name, Hidden: true})
	}
	for _, name := range strings.Fields("push-retry image-download-retry image-fs-extract-retry") {
		flags = append(flags, &cli.IntFlag{Name: name, Hidden: true})
	}
	for _, name := range strings.Fields("snapshot-mode snapshotMode ignore-path kaniko-dir") {
		flags = append(flags, list(name))
	}
	return flags
}

func kanikoSwitches() []string {
	return []string{"insecure", "insecure-pull", "skip-tls-verify", "skip-tls-verify-pull", "reproducible",
		"push-ignore-immutable-tag-errors", "skip-push-permission-check", "single-snapshot"}
}

// kanikoSettled are flags that say what is so anyway, or that are about building in place, which is not done here.
const kanikoSettled = "compressed-caching log-timestamp use-new-run ignore-var-run cleanup pre-cleanup preserve-context materialize " +
	"force skip-unused-stages force-build-metadata"

// kanikoArgs turns the command line of Kaniko's executor into ours. Its short flags stand for others than ours.
func kanikoArgs(args []string) []string {
	out := []string{"s2i", "build", "--strategy", "dockerfile"}
	long := map[string]string{"-c": "--context", "-d": "--destination", "-b": "--bucket", "-v": "--verbosity"}
	hasContext := false
	for _, arg := range args {
		flag, value, given := strings.Cut(arg, "=")
		flag = cmp.Or(long[flag], flag)
		if given {
			flag += "=" + value
		}
		hasContext = hasContext || strings.HasPrefix(flag, "--context=") || flag == "--context"
		out = append(out, flag)
	}
	if !hasContext {
		out = append(out, "--context=/workspace")
	}
	return out
}

// translate sets our flags to what Kaniko's, and docker's --output, say.
func translate(ctx context.Context, c *cli.Context) error {
	set := map[string][]string{}
	if !c.Bool("no-push") {
		set["tag"] = c.StringSlice("destination")
	}
	if file := c.String("tar-path"); file != "" {
		ref := "docker-archive:" + file
		if to := c.StringSlice("destination"); len(to) > 0 {
			ref += ":" + to[0]
		}
		set["tag"] = append(set["tag"], ref)
	}
	if dir := c.String("oci-layout-path"); dir != "" {
		set["tag"] = append(set["tag"], "oci:"+dir)
	}
	_, refs, err := outputs(c.StringSlice("output"))
	if err != nil {
		return err
	}
	set["tag"] = append(set["tag"], refs...)
	if p := c.String("custom-platform"); p != "" {
		set["platform"] = []string{p}
	}
	if c.Bool("reproducible") && !c.IsSet("creation-time") {
		set["creation-time"] = []string{"0"}
	}
	if c.Bool("single-snapshot") {
		set["squash"] = []string{"true"}
	}
	for flag, values := range set {
		for _, v := range values {
			if err := c.Set(flag, v); err != nil {
				return usageError("setting --%s: %w", flag, err)
			}
		}
	}
	for _, flag := range []string{"ignore-path", "ignore-var-run", "cleanup", "pre-cleanup", "preserve-context", "materialize",
		"force", "kaniko-dir", "snapshot-mode", "snapshotMode", "use-new-run", "force-build-metadata"} {
		if c.IsSet(flag) {
			progress.Warn(ctx, "--%s has no effect: nothing is built in place here", flag)
		}
	}
	if c.Bool("push-ignore-immutable-tag-errors") {
		progress.Warn(ctx, "--push-ignore-immutable-tag-errors has no effect: a tag that the registry does not change is an error")
	}
	if c.IsSet("compression-level") {
		progress.Warn(ctx, "--compression-level has no effect: the level is fixed, so that layers are the same everywhere")
	}
	return nil
}

// sourceArg is the source of a build: SRC, or what --context says in Kaniko's way.
func sourceArg(c *cli.Context) (string, error) {
	if !c.IsSet("context") && !c.IsSet("bucket") {
		src, err := oneArg(c, "SRC", ".")
		if err != nil {
			return "", err
		}
		return below(src, c.String("context-sub-path"))
	}
	if c.NArg() > 0 {
		return "", usageError("SRC and --context are the same: give one of them")
	}
	src, err := kanikoContext(c.String("context"), c.String("bucket"), c.StringSlice("git"))
	if err != nil {
		return "", err
	}
	return below(src, c.String("context-sub-path"))
}

// kanikoContext gives a source that we open for one that Kaniko opens.
func kanikoContext(value, bucket string, git []string) (string, error) {
	scheme, rest, ok := strings.Cut(value, "://")
	switch {
	case !ok && bucket != "":
		return "gs://" + bucket + "/" + cmp.Or(strings.TrimPrefix(value, "/"), "context.tar.gz"), nil
	case !ok:
		return value, nil
	case scheme == "tar" && rest == "stdin":
		return "-", nil
	case scheme == "dir" || scheme == "tar":
		return rest, nil
	case scheme == "git":
		return kanikoGit(rest, git)
	case scheme == "s3" || scheme == "gs" || scheme == "https" || scheme == "http":
		return value, nil
	}
	return "", usageError("--context %s: contexts are dir://, tar://, git://, s3://, gs:// and https://", value)
}

// kanikoGit reads host/repository[#reference[#commit]], which Kaniko fetches over https.
func kanikoGit(location string, options []string) (string, error) {
	location, fragment, _ := strings.Cut(location, "#")
	reference, commit, _ := strings.Cut(fragment, "#")
	query := url.Values{"submodules": {"false"}}
	for _, option := range options {
		for part := range strings.SplitSeq(option, ",") {
			switch key, value, _ := strings.Cut(part, "="); key {
			case "branch":
				reference = cmp.Or(reference, value)
			case "recurse-submodules":
				query.Set("submodules", value)
			case "single-branch": // only one commit is ever fetched
			case "insecure-skip-tls":
				if value == "true" {
					return "", usageError("--git %s is not supported: certificates of git servers are always verified", part)
				}
			default:
				return "", usageError("--git %s is none of branch, single-branch, recurse-submodules", part)
			}
		}
	}
	src := "git+" + cmp.Or(os.Getenv("GIT_PULL_METHOD"), "https") + "://" + location + "?" + query.Encode()
	if revision := cmp.Or(commit, reference); revision != "" {
		src += "#" + revision
	}
	return src, nil
}

// below is a directory of a source.
func below(src, sub string) (string, error) {
	switch {
	case sub == "":
		return src, nil
	case !filepath.IsLocal(sub):
		return "", usageError("--context-sub-path %s leads out of the context", sub)
	}
	if info, err := os.Stat(src); err == nil && info.IsDir() {
		return filepath.Join(src, sub), nil
	}
	if strings.Contains(src, "#") {
		return src + ":" + sub, nil
	}
	return src + "#:" + sub, nil
}

// nameFiles are the files with the names of the image that Kaniko writes: by digest, without and with the tag.
func nameFiles(c *cli.Context, digest v1.Hash) map[string]string {
	files := map[string]string{}
	for _, n := range slices.Concat(c.StringSlice("destination"), c.StringSlice("tag")) {
		ref, err := name.ParseReference(n, name.WeakValidation)
		if err != nil {
			continue // an archive or a layout
		}
		line := fmt.Sprintf("%s@%s\n", ref.Context(), digest)
		if !strings.Contains(files["image-name-with-digest-file"], line) {
			files["image-name-with-digest-file"] += line
		}
		line = fmt.Sprintf("%s@%s\n", ref.Name(), digest)
		if !strings.Contains(files["image-name-tag-with-digest-file"], line) {
			files["image-name-tag-with-digest-file"] += line
		}
	}
	return files
}
