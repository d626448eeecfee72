package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle/image"
)

// registryFlags are about how registries are reached.
func registryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "insecure-registry", Usage: "reach this registry `HOST[:PORT]` by plain HTTP or with an unverified certificate; repeatable", EnvVars: []string{"S2I_INSECURE_REGISTRIES"}},
		&cli.StringSliceFlag{Name: "registry-mirror", Usage: "take images of Docker Hub from this `HOST[/PATH]` first; repeatable", EnvVars: []string{"S2I_REGISTRY_MIRROR", "KANIKO_REGISTRY_MIRROR"}},
		&cli.StringSliceFlag{Name: "registry-map", Usage: "take images of other registries from elsewhere first, `HOST=HOST[/PATH]`, several with a semicolon; repeatable", EnvVars: []string{"S2I_REGISTRY_MAP", "KANIKO_REGISTRY_MAP"}},
		&cli.BoolFlag{Name: "skip-default-registry-fallback", Usage: "never ask a registry itself that has a mirror"},
		&cli.StringSliceFlag{Name: "registry-certificate", Usage: "trust the authorities in a file for a registry, `HOST=FILE`; repeatable"},
		&cli.StringSliceFlag{Name: "registry-client-cert", Usage: "show a registry a certificate, `HOST=CERTIFICATE,KEY`; repeatable"},
	}
}

// setRegistries makes a client do what the flags say about registries.
func setRegistries(c *cli.Context, client *image.Client) error {
	var err error
	if client.Insecure, err = insecureHosts(c); err != nil {
		return err
	}
	if c.Bool("insecure-pull") || c.Bool("skip-tls-verify-pull") || c.IsSet("tls-verify") && !c.Bool("tls-verify") {
		client.Insecure = append(client.Insecure, "*")
	}
	client.Insecure = append(client.Insecure, c.StringSlice("skip-tls-verify-registry")...)
	if c.Bool("insecure") || c.Bool("skip-tls-verify") {
		for _, to := range c.StringSlice("destination") {
			host, _, _ := strings.Cut(to, "/")
			client.Insecure = append(client.Insecure, host)
		}
	}
	for _, flag := range []string{"push-retry", "image-download-retry", "image-fs-extract-retry"} {
		if n := c.Int(flag); n > 0 {
			client.Retry.Attempts = max(client.Retry.Attempts, n+1)
		}
	}
	client.MirrorsOnly = c.Bool("skip-default-registry-fallback")
	if client.Mirrors, err = mirrors(c); err != nil {
		return err
	}
	client.TLS, err = certificates(c)
	return err
}

// mirrors reads --registry-mirror and --registry-map: registry → places, the first best.
func mirrors(c *cli.Context) (map[string][]string, error) {
	out := map[string][]string{}
	for _, value := range c.StringSlice("registry-map") {
		for pair := range strings.SplitSeq(value, ";") {
			from, to, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok || from == "" || to == "" {
				return nil, usageError("--registry-map %s is not HOST=HOST[/PATH]", value)
			}
			if from == "docker.io" {
				from = "index.docker.io"
			}
			out[from] = append(out[from], strings.TrimSuffix(to, "/"))
		}
	}
	for _, value := range c.StringSlice("registry-mirror") {
		for to := range strings.SplitSeq(value, ";") {
			to = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(to), "https://"), "http://")
			out["index.docker.io"] = append(out["index.docker.io"], strings.TrimSuffix(to, "/"))
		}
	}
	return out, nil
}

// certificates reads --registry-certificate and --registry-client-cert.
func certificates(c *cli.Context) (map[string]*tls.Config, error) {
	out := map[string]*tls.Config{}
	of := func(host string) *tls.Config {
		if out[host] == nil {
			out[host] = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return out[host]
	}
	for _, value := range c.StringSlice("registry-certificate") {
		host, file, ok := strings.Cut(value, "=")
		if !ok {
			return nil, usageError("--registry-certificate %s is not HOST=FILE", value)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usageError("reading --registry-certificate: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, usageError("reading --registry-certificate: %s holds no certificate", file)
		}
		of(host).RootCAs = pool
	}
	for _, value := range c.StringSlice("registry-client-cert") {
		host, files, _ := strings.Cut(value, "=")
		certificate, key, ok := strings.Cut(files, ",")
		if !ok {
			return nil, usageError("--registry-client-cert %s is not HOST=CERTIFICATE,KEY", value)
		}
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, usageError("reading --registry-client-cert: %w", err)
		}
		of(host).Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
