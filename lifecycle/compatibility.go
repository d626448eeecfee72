package lifecycle

import (
	"encoding/json"
	"fmt"
	"maps"
)

// The compatibility keys that mean something to rebase.
const (
	// CompatGlibc is the version of glibc; a newer one runs what was built for an older one.
	CompatGlibc = "glibc"
	// compatLibraries is the key of the shared libraries in the label's JSON.
	compatLibraries = "libraries"
)

// Compatibility is the label LabelCompatibility: what a run image offers that apps above it come to depend on. In JSON
// it is one flat object: {"glibc": "2.41", "node-modules": "137", "libraries": {"libc.so.6": ["GLIBC_2.2.5"]}}.
type Compatibility struct {
	// Keys are values by name. A new base must have the same value for every key of the old one, or at least the
	// same for CompatGlibc. A key named as a library, with the number of its soname as its value
	// ("libssl": "3"), says that the image has that library.
	Keys map[string]string
	// Libraries are the shared libraries of the image by soname, each with the symbol versions that it defines. Nil
	// means that they are not known; an empty map, that there are none.
	Libraries map[string][]string
}

// MarshalJSON writes the flat form.
func (c Compatibility) MarshalJSON() ([]byte, error) {
	flat := map[string]any{}
	for k, v := range c.Keys {
		flat[k] = v
	}
	if c.Libraries != nil {
		flat[compatLibraries] = c.Libraries
	}
	return json.Marshal(flat)
}

// UnmarshalJSON reads the flat form. Keys whose value is neither a string nor a number are kept as their JSON text, so
// that they can still be compared for equality.
func (c *Compatibility) UnmarshalJSON(data []byte) error {
	var flat map[string]json.RawMessage
	if err := json.Unmarshal(data, &flat); err != nil {
		return fmt.Errorf("reading compatibility keys: %w", err)
	}
	*c = Compatibility{Keys: map[string]string{}}
	if libraries, ok := flat[compatLibraries]; ok {
		c.Libraries = map[string][]string{}
		if err := json.Unmarshal(libraries, &c.Libraries); err != nil {
			return fmt.Errorf("reading the libraries of compatibility keys: %w", err)
		}
		delete(flat, compatLibraries)
	}
	for k, raw := range maps.All(flat) {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		c.Keys[k] = s
	}
	return nil
}
