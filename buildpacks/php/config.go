package php

import (
	"fmt"
	"path/filepath"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

const (
	fileFPM = "php-fpm.conf"
	fileINI = "php.d/90-s2i.ini"
	fileOwn = "php.d/95-app.ini"
)

// fpm are the settings of php-fpm. References such as ${WEB_CONCURRENCY} are to the environment in which it starts.
const fpm = `[global]
error_log = /proc/self/fd/2
log_limit = 8192
log_level = warning
systemd_interval = 0
daemonize = no

[www]
listen = ${S2I_FASTCGI_SOCKET}
pm = ondemand
pm.max_children = ${WEB_CONCURRENCY}
pm.process_idle_timeout = 60s
clear_env = no
catch_workers_output = yes
decorate_workers_output = no
`

// ini are settings for an app whose files do not change.
const ini = `expose_php = Off
opcache.validate_timestamps = 0
opcache.max_accelerated_files = 20000
realpath_cache_size = 4096K
realpath_cache_ttl = 600
`

// config makes the layer of the settings and of the environment, and gives its directory.
func (b *builder) config() (string, error) {
	layer, err := b.bc.Layers.Layer("config")
	if err != nil {
		return "", fmt.Errorf("reading layer config: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return "", err
	}
	texts := map[string]string{fileFPM: fpm, fileINI: ini}
	if b.d.settings != "" {
		texts[fileOwn] = b.d.settings
	}
	for name, text := range texts {
		if err := writeFile(filepath.Join(layer.Path, name), text); err != nil {
			return "", fmt.Errorf("making layer config: %w", err)
		}
	}
	env := libcnb.Environment{}
	// An empty element stands for the directory that PHP looks into anyway.
	env.Override("PHP_INI_SCAN_DIR", ":"+filepath.Join(layer.Path, filepath.Dir(fileINI)))
	env.Default("WEB_CONCURRENCY", "8")
	for name, value := range b.d.variables() {
		env.Default(name, value)
	}
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	return layer.Path, nil
}

// variables are what a framework reads at run time and at build time.
func (d *decision) variables() kit.Env {
	switch d.framework {
	case "Laravel":
		return kit.Env{"APP_ENV": "production", "LOG_CHANNEL": "stderr"}
	case "Symfony":
		return kit.Env{"APP_ENV": "prod", "APP_DEBUG": "0"}
	}
	return nil
}
