package dockerfile

import (
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/image"
)

// startInterval is the part of an image's health check that v1.ConfigFile lacks.
func startInterval(img v1.Image) (time.Duration, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return 0, err
	}
	var c struct {
		Config struct {
			Healthcheck struct{ StartInterval time.Duration }
		} `json:"config"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return 0, fmt.Errorf("reading the health check: %w", err)
	}
	return c.Config.Healthcheck.StartInterval, nil
}

// withStartInterval adds it to an image that has a health check.
func withStartInterval(img v1.Image, d time.Duration) (v1.Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	if raw, err = image.SetJSON(raw, d, "config", "Healthcheck", "StartInterval"); err != nil {
		return nil, fmt.Errorf("writing the health check: %w", err)
	}
	return image.WithConfig(img, raw)
}
