package rust

import (
	"regexp"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Types of the bindings that carry credentials.
const (
	bindingCargo = "cargo"
	bindingNetrc = "netrc"
	bindingGit   = "git-credentials"
)

// credentialsFile is where cargo keeps the tokens of registries.
const credentialsFile = "credentials.toml"

// credentials are files of bindings and secrets, "" where there is none.
type credentials struct {
	config, file, netrc string
}

func findCredentials(bindings libcnb.Bindings) credentials {
	c := credentials{file: kit.SecretFile(credentialsFile), netrc: kit.SecretFile(".netrc", "netrc")}
	for _, b := range bindings {
		switch b.Type {
		case bindingCargo:
			if file, ok := kit.BindingFile(b, "config.toml"); ok {
				c.config = file
			}
			if file, ok := kit.BindingFile(b, credentialsFile); ok {
				c.file = file
			}
		case bindingNetrc:
			if file, ok := kit.BindingFile(b, ".netrc", "netrc"); ok {
				c.netrc = file
			}
		}
	}
	return c
}

// tokenVariable matches the variables in which cargo takes the tokens of registries.
var tokenVariable = regexp.MustCompile(`^CARGO_(REGISTRY|REGISTRIES_[A-Z0-9_]+)_TOKEN$`)

// tokens gives the variables that cargo needs to fetch crates from private registries: the secrets that are named like
// them, and leave to use the tokens of its own file.
func tokens(env kit.Env) kit.Env {
	all := kit.SecretVariables(tokenVariable)
	// Without a setting, cargo asks nobody for the token of a registry that lets in only who has one.
	const providers = "CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"
	all[providers] = env.Or(providers, "cargo:token")
	return all
}
