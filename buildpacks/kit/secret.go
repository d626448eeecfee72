package kit

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// SecretsDir is where the secrets of a build are files, each under the name that the user gave it.
const SecretsDir = "/run/secrets"

// maxSecret bounds a secret, in bytes.
const maxSecret = 1 << 20

// SecretFile gives the path of the first of these secrets that is there, "" when none is.
func SecretFile(names ...string) string {
	for _, name := range names {
		file := filepath.Join(SecretsDir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// SecretVariables gives the secrets whose names match a pattern as variables, for a tool that takes its credentials so.
func SecretVariables(pattern *regexp.Regexp) Env {
	all := Env{}
	entries, err := os.ReadDir(SecretsDir)
	if err != nil {
		return all // there are no secrets
	}
	for _, e := range entries {
		if !pattern.MatchString(e.Name()) {
			continue
		}
		if value, err := ReadSecret(filepath.Join(SecretsDir, e.Name())); err == nil {
			all[e.Name()] = value
		}
	}
	return all
}

// ReadSecret gives the content of a secret's file, or of a binding's entry, without white space around it.
func ReadSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fmt.Errorf("reading a secret: %s is no file of at most %d bytes", file, maxSecret)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
