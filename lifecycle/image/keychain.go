package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
)

// DefaultKeychain finds the credentials of a registry where other tools keep them. The first that has some wins:
//
//   - $CNB_REGISTRY_AUTH, a JSON object of registry → value of the Authorization header (platform §Registry
//     Authentication);
//   - the file $REGISTRY_AUTH_FILE;
//   - config.json in $DOCKER_CONFIG, else in ~/.docker;
//   - containers/auth.json in $XDG_RUNTIME_DIR, else in $XDG_CONFIG_HOME, else in ~/.config.
//
// In the files, credential helpers (credHelpers, credsStore) are asked. The environment and the files are read when a
// registry is first spoken to.
func DefaultKeychain() authn.Keychain { return keychain{getenv: os.Getenv} }

type keychain struct{ getenv func(string) string }

// Resolve implements authn.Keychain.
func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k keychain) ResolveContext(_ context.Context, r authn.Resource) (authn.Authenticator, error) {
	auth, err := fromHeaders(k.getenv("CNB_REGISTRY_AUTH"), r)
	if auth != nil || err != nil {
		return auth, err
	}
	for _, path := range k.files() {
		auth, err := fromFile(path, r)
		if auth != nil || err != nil {
			return auth, err
		}
	}
	return authn.Anonymous, nil
}

func (k keychain) files() []string {
	var all []string
	add := func(dir string, parts ...string) {
		if dir != "" {
			all = append(all, filepath.Join(append([]string{dir}, parts...)...))
		}
	}
	home := k.getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // no home, no file there
	}
	add(k.getenv("REGISTRY_AUTH_FILE"))
	if dir := k.getenv("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(k.getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if dir := k.getenv("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return all
}

// fromHeaders reads the form of CNB_REGISTRY_AUTH. Its value never appears in an error.
func fromHeaders(value string, r authn.Resource) (authn.Authenticator, error) {
	if value == "" {
		return nil, nil
	}
	var headers map[string]string
	if err := json.Unmarshal([]byte(value), &headers); err != nil {
		return nil, errors.New("reading CNB_REGISTRY_AUTH: it is no JSON object of registry → header")
	}
	header, ok := headers[r.RegistryStr()]
	if !ok {
		return nil, nil
	}
	scheme, credential, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		return authn.FromConfig(authn.AuthConfig{Auth: credential}), nil
	case "bearer":
		return authn.FromConfig(authn.AuthConfig{RegistryToken: credential}), nil
	case "x-identity":
		return authn.FromConfig(authn.AuthConfig{IdentityToken: credential}), nil
	}
	return nil, fmt.Errorf("reading CNB_REGISTRY_AUTH: the header for %s is neither Basic nor Bearer nor X-Identity",
		r.RegistryStr())
}

// fromFile looks a registry up in a file of docker's form: its repository first (podman keeps credentials by path),
// then the paths above it, then the host.
func fromFile(path string, r authn.Resource) (authn.Authenticator, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading credentials from %s: %w", path, err)
	}
	defer f.Close()
	file, err := config.LoadFromReader(f)
	if err != nil {
		return nil, fmt.Errorf("reading credentials from %s: %w", path, err)
	}
	for _, key := range authKeys(r) {
		got, err := file.GetAuthConfig(key)
		if err != nil {
			return nil, fmt.Errorf("asking the credential helper for %s that %s names: %w", key, path, err)
		}
		c := authn.AuthConfig{
			Username: got.Username, Password: got.Password, Auth: got.Auth,
			IdentityToken: got.IdentityToken, RegistryToken: got.RegistryToken,
		}
		if c != (authn.AuthConfig{}) {
			return authn.FromConfig(c), nil
		}
	}
	return nil, nil
}

func authKeys(r authn.Resource) []string {
	var keys []string
	path := r.String()
	for path != r.RegistryStr() && strings.Contains(path, "/") {
		keys = append(keys, path)
		path = path[:strings.LastIndexByte(path, '/')]
	}
	if r.RegistryStr() == "index.docker.io" {
		return append(keys, authn.DefaultAuthKey, "docker.io")
	}
	return append(keys, r.RegistryStr())
}
