package dockerfile

import (
	"fmt"
	"os"
)

// Secret gives the content of one of the build's secrets; false when the build was not given it.
func (o *Options) Secret(id string) (data []byte, ok bool, err error) {
	if value, ok := o.SecretValues[id]; ok {
		return []byte(value), true, nil
	}
	file, ok := o.Secrets[id]
	if !ok {
		return nil, false, nil
	}
	if data, err = os.ReadFile(file); err != nil {
		return nil, false, fmt.Errorf("reading the secret %q: %w", id, err)
	}
	return data, true, nil
}
