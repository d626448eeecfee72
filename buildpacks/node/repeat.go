package node

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// envActionsKey is Next's own setting: the key by which values that server actions close over are encrypted.
const envActionsKey = "NEXT_SERVER_ACTIONS_ENCRYPTION_KEY"

// buildIDShim is loaded before the build of Next.js. Without a setting of the app's, Next draws a build ID at random;
// here it comes from the environment, and everything else of Next is left alone.
const buildIDShim = `"use strict";
const { _load } = require("module");
require("module")._load = function (request, parent, isMain) {
  const loaded = _load.call(this, request, parent, isMain);
  if (typeof request !== "string" || !/(^|\/)generate-build-id(\.js)?$/.test(request) || !loaded) return loaded;
  const generate = loaded.generateBuildId;
  if (typeof generate !== "function") return loaded;
  return { ...loaded, generateBuildId: (own) => generate(own, () => process.env.S2I_BUILD_ID) };
};
`

// farAway is when the keys expire that are kept for the build, in milliseconds since 1970: they are never older than
// the build.
const farAway = 4102444800000

// repeatable makes a build a function of its inputs: what build tools would draw at random or read off the clock (build
// IDs, keys) is made from the digest of the sources, and of the user's own key when there is one. finish tidies up.
func (b *builder) repeatable(dir string) (finish func() error, err error) {
	nothing := func() error { return nil }
	f := b.d.framework
	if f == nil && !b.frontend {
		return nothing, nil
	}
	seed, err := b.seed()
	if err != nil {
		return nil, err
	}
	id := hex.EncodeToString(derive(seed, "build-id"))[:20]
	for n := byte('0'); strings.Contains(id, "ad"); n++ { // Next wants none that advertising blockers act on
		id = hex.EncodeToString(derive(seed, "build-id"+string(n)))[:20]
	}
	env := kit.Env{
		envBuildID: id,
		// Astro's key, for what it hides in pages from those who see them.
		"ASTRO_KEY": b.env.Or("ASTRO_KEY", base64.StdEncoding.EncodeToString(derive(seed, "astro"))),
	}
	before := b.env
	finish = func() error { b.env = before; return nil }
	if f != nil && f.Next != nil {
		shim, err := b.prepareNext(dir, seed, env)
		if err != nil {
			return nil, err
		}
		finish = func() error {
			b.env = before
			if err := os.Remove(shim); err != nil {
				return fmt.Errorf("tidying up after the build of Next.js: %w", err)
			}
			return replacePreviewKeys(filepath.Join(dir, filepath.FromSlash(f.Member.Dir), filepath.FromSlash(f.Next.Dist)),
				previewKeys(seed))
		}
	}
	b.env = b.env.With(env)
	return finish, nil
}

// envBuildID tells the build what to call itself.
const envBuildID = "S2I_BUILD_ID"

// prepareNext gives Next.js its build ID, through a program that is loaded before it, and its keys, where it keeps them
// from one build to the next.
func (b *builder) prepareNext(dir string, seed []byte, env kit.Env) (shim string, err error) {
	f := b.d.framework
	key := b.env.Or(envActionsKey, base64.StdEncoding.EncodeToString(derive(seed, "actions")))
	cache := filepath.Join(dir, filepath.FromSlash(f.Member.Dir), filepath.FromSlash(f.Next.Dist), "cache")
	files := map[string]map[string]any{
		".previewinfo": {"expireAt": int64(farAway)},
		".rscinfo":     {"encryption.key": key, "encryption.expire_at": int64(farAway)},
	}
	for name, value := range previewKeys(seed) {
		files[".previewinfo"][name] = value
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("preparing the build of Next.js: %w", err)
	}
	for name, values := range files {
		data, err := json.Marshal(values)
		if err == nil {
			err = os.WriteFile(filepath.Join(cache, name), data, 0o600)
		}
		if err != nil {
			return "", fmt.Errorf("preparing the build of Next.js: %w", err)
		}
	}
	if shim, err = writeShim(); err != nil {
		return "", err
	}
	env[envActionsKey] = key
	env["NODE_OPTIONS"] = strings.TrimSpace(b.env["NODE_OPTIONS"] + " --require=" + shim)
	return shim, nil
}

// previewKeys are the keys of Next's draft mode, under Next's own names.
func previewKeys(seed []byte) map[string]string {
	return map[string]string{
		"previewModeId":            hex.EncodeToString(derive(seed, "preview")[:16]),
		"previewModeSigningKey":    hex.EncodeToString(derive(seed, "preview-signing")),
		"previewModeEncryptionKey": hex.EncodeToString(derive(seed, "preview-encryption")),
	}
}

// maxKeyFile bounds the files in which keys are looked for, in bytes: they are lists, and not the code.
const maxKeyFile = 8 << 20

// replacePreviewKeys replaces the keys of draft mode in what Next has built, where it has drawn new ones: older versions
// do, and all do on machines that they take to be short-lived.
func replacePreviewKeys(dist string, keys map[string]string) error {
	var built struct {
		Preview map[string]text `json:"preview"`
	}
	data, err := os.ReadFile(filepath.Join(dist, "prerender-manifest.json"))
	if err != nil || json.Unmarshal(data, &built) != nil {
		return nil //nolint:nilerr // a build for static pages has no such file, and needs no keys
	}
	var pairs []string
	for name, value := range keys {
		if old := string(built.Preview[name]); len(old) == len(value) && old != value {
			pairs = append(pairs, old, value)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	replacer := strings.NewReplacer(pairs...)
	err = filepath.WalkDir(dist, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || name == filepath.Join(dist, "cache")) {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxKeyFile {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if changed := replacer.Replace(string(data)); changed != string(data) {
			return os.WriteFile(name, []byte(changed), info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replacing the keys of the build of Next.js: %w", err)
	}
	return nil
}

func writeShim() (string, error) {
	shim, err := os.CreateTemp("", "next-*.cjs")
	if err != nil {
		return "", fmt.Errorf("preparing the build of Next.js: %w", err)
	}
	if _, err := io.WriteString(shim, buildIDShim); err != nil {
		_ = shim.Close()
		return "", fmt.Errorf("preparing the build of Next.js: %w", err)
	}
	return shim.Name(), shim.Close()
}

// derive makes a key for one purpose.
func derive(seed []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// seed is a digest of the app's files, and of the user's key.
func (b *builder) seed() ([]byte, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", b.env[envActionsKey])
	err := fs.WalkDir(b.app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := b.app.Root().Open(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(h, "%q\n", name)
		_, err = io.Copy(h, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the sources: %w", err)
	}
	return h.Sum(nil), nil
}

// patch makes a package that the build uses (its files by a pattern) take from the environment what it would draw at
// random or read off the clock, and that no setting reaches. new may refer to groups of old.
type patch struct {
	name, file string
	old        *regexp.Regexp
	new        string
}

// fixedTime stands for the time of the build.
const fixedTime = `"1980-01-01T00:00:01.000Z"`

// requestID stands for the ID of a request, by which Next.js marks parts of a page: while a page is built, it comes from
// the build's ID and the page's route. Later versions do the like by themselves.
const requestID = `$1=(process.env.S2I_BUILD_ID?require("crypto").createHash("sha1").update(process.env.S2I_BUILD_ID+` +
	`(()=>{try{return require("next/dist/server/app-render/work-async-storage.external.js").workAsyncStorage.getStore().route}` +
	`catch{return""}})()).digest("hex"):$2)`

func patches() []patch {
	return []patch{
		{"next", "dist/compiled/next-server/app-page*.runtime.prod.js",
			regexp.MustCompile(`([\w$]+)=([\w$]+\("\./dist/compiled/nanoid/index\.cjs"\)\.nanoid\(\))`), requestID},
		// The version of a SvelteKit app that names none.
		{"@sveltejs/kit", "src/core/config/options.js", regexp.MustCompile(`string\(Date\.now\(\)\.toString\(\)\)`),
			"string(process.env.S2I_BUILD_ID || Date.now().toString())"},
		// Nuxt's build ID.
		{"@nuxt/schema", "dist/*.mjs", regexp.MustCompile(`\? "test" : randomUUID\(\)`),
			`? "test" : (process.env.S2I_BUILD_ID || randomUUID())`},
		{"@nuxt/nitro-server", "dist/*.mjs", regexp.MustCompile(`\bbuildTimestamp = Date\.now\(\)`), "buildTimestamp = 315532801000"},
		{"nuxt", "dist/*.mjs", regexp.MustCompile(`\bbuildTimestamp = Date\.now\(\)`), "buildTimestamp = 315532801000"},
		{"nuxt", "dist/shared/*.mjs", regexp.MustCompile(`\bbuildTimestamp = Date\.now\(\)`), "buildTimestamp = 315532801000"},
		// Astro names a file after the time.
		{"astro", "dist/core/build/plugins/*.js", regexp.MustCompile(`return Date\.now\(\)\.toString\(\);`),
			"return process.env.S2I_BUILD_ID || Date.now().toString();"},
		// The times of files and of the build in what Nitro makes.
		{"nitropack", "dist/rollup/index.mjs", regexp.MustCompile(`\b[a-z]+\.mtime\.toJSON\(\)`), fixedTime},
		// The order of its list of files.
		{"nitropack", "dist/rollup/index.mjs", regexp.MustCompile(`new Set\(files\),`), "new Set(files.sort()),"},
		{"nitropack", "dist/rollup/index.mjs", regexp.MustCompile(`\{ concurrency: 25 \}`), "{ concurrency: 1 }"},
		{"nitropack", "dist/core/index.mjs", regexp.MustCompile(`\(/\* @__PURE__ \*/ new Date\(\)\)\.toJSON\(\)`), fixedTime},
	}
}

// patchKey stands for the patches, in the key of an installation.
func patchKey() string {
	var b strings.Builder
	for _, p := range patches() {
		fmt.Fprintf(&b, "%s %s %s %s\n", p.name, p.file, p.old, p.new)
	}
	return b.String()
}

// patchPackages applies the patches to an installation.
func (b *builder) patchPackages(dir string) error {
	for _, p := range patches() {
		var found []string
		for _, m := range b.d.project.all() {
			home := filepath.Join(dir, filepath.FromSlash(m.Dir), "node_modules")
			for _, dir := range []string{".", "*/node_modules", "@*/*/node_modules",
				".pnpm/" + strings.ReplaceAll(p.name, "/", "+") + "@*/node_modules"} {
				deep, err := filepath.Glob(filepath.Join(home, filepath.FromSlash(dir), filepath.FromSlash(p.name)))
				if err != nil {
					continue // a path with signs that mean something to Glob
				}
				found = append(found, deep...)
			}
		}
		for _, at := range found {
			files, err := filepath.Glob(filepath.Join(at, filepath.FromSlash(p.file)))
			if err != nil {
				continue
			}
			for _, file := range files {
				if err := p.apply(file); err != nil {
					return fmt.Errorf("making the build repeatable: %w", err)
				}
			}
		}
	}
	return nil
}

// apply replaces a file by its patched form. It is a new file, since the old one may be shared with the manager's cache.
func (p patch) apply(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed := p.old.ReplaceAll(data, []byte(p.new))
	if bytes.Equal(changed, data) {
		return nil
	}
	if err := os.WriteFile(file+".new", changed, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
