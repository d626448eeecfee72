package java

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// bindingMaven is the type of the binding that carries Maven's settings: settings.xml, and settings-security.xml when
// passwords in it are encrypted.
const bindingMaven = "maven"

// secretsDir is where the secrets of a build are files.
const secretsDir = "/run/secrets"

// settings gives the options by which Maven finds its settings: those of a binding or a secret, of the app, or our own
// with the mirror of the machine's configuration. None is ever in a layer.
func (b *builder) settings() ([]string, error) {
	if file, security := boundSettings(b.bc.Platform.Bindings); file != "" {
		args := []string{"-s", file}
		if security != "" {
			args = append(args, "-Dsettings.security="+security)
		}
		return args, nil
	}
	if data, err := b.app.Read(".mvn/maven.config"); err == nil {
		for _, word := range strings.Fields(string(data)) {
			if word == "-s" || strings.HasPrefix(word, "--settings") {
				return nil, nil
			}
		}
	}
	if b.app.Has("settings.xml") {
		data, err := b.app.Read("settings.xml")
		if err != nil {
			return nil, fmt.Errorf("reading settings.xml: %w", err)
		}
		if root, err := parseXML("settings.xml", data); err == nil && root.Name == "settings" {
			return []string{"-s", filepath.Join(b.app.Dir, "settings.xml")}, nil
		}
	}
	mirror := b.env[envMirror]
	if mirror == "" {
		return nil, nil
	}
	text, err := mirrorSettings(mirror)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(os.TempDir(), "s2i-settings.xml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing Maven's settings: %w", err)
	}
	return []string{"-s", file}, nil
}

// boundSettings finds the settings among bindings and secrets.
func boundSettings(bindings libcnb.Bindings) (settings, security string) {
	for _, bound := range bindings {
		if bound.Type != bindingMaven {
			continue
		}
		if file, ok := bound.SecretFilePath("settings.xml"); ok {
			security, _ = bound.SecretFilePath("settings-security.xml")
			return file, security
		}
	}
	for _, name := range []string{"settings.xml", "maven-settings.xml", "maven-settings"} {
		file := filepath.Join(secretsDir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, ""
		}
	}
	return "", ""
}

// mirrorSettings are settings with a mirror for what comes from the central repository.
func mirrorSettings(url string) (string, error) {
	var escaped strings.Builder
	if err := xml.EscapeText(&escaped, []byte(url)); err != nil {
		return "", fmt.Errorf("writing Maven's settings: %w", err)
	}
	return "<settings><mirrors><mirror><id>s2i</id><mirrorOf>central</mirrorOf><url>" + escaped.String() +
		"</url></mirror></mirrors></settings>\n", nil
}

// javaEnv is the environment for Java programs of the build: a home directory that can be written to, which Java takes
// from the password file, and the certificates of the build image.
func javaEnv(env kit.Env) (kit.Env, []string, error) {
	dir := filepath.Join(os.TempDir(), "home")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("making a home directory: %w", err)
	}
	// Builds are short: the second compiler and a parallel collector would cost more than they give.
	options := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Duser.home=" + dir}
	trust, err := truststore(env)
	if err != nil {
		return nil, nil, err
	}
	if trust != "" {
		options = append(options, trust)
	}
	return env.With(kit.Env{"HOME": dir}), options, nil
}
