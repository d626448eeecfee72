package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Archives in the object stores of S3, Google Cloud and Azure are fetched with one signed GET request each, with the
// credentials and endpoints that the vendors' own tools read from the environment:
//
//	s3://bucket/key          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION;
//	                         AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL (or S3_ENDPOINT, S3_FORCE_PATH_STYLE)
//	gs://bucket/object       GOOGLE_APPLICATION_CREDENTIALS (a service account's key), GOOGLE_OAUTH_ACCESS_TOKEN;
//	                         STORAGE_EMULATOR_HOST
//	https://ACCOUNT.blob.core.windows.net/container/blob   AZURE_STORAGE_ACCESS_KEY
//
// Without credentials the request is sent unsigned, as public objects want it.

// bucketRef reads s3://bucket/key and gs://bucket/object.
func bucketRef(location, fragment string) (Ref, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") == "" {
		return Ref{}, errors.New("it is not like s3://bucket/path/archive.tar.gz")
	}
	return Ref{Kind: Archive, Location: location}.withFragment(fragment)
}

// objectURL is where an object is behind HTTP; a URL of anything else it gives back.
func objectURL(u *url.URL, getenv func(string) string) (*url.URL, error) {
	switch u.Scheme {
	case "s3":
		return s3URL(u, getenv)
	case "gs":
		out := &url.URL{Scheme: "https", Host: "storage.googleapis.com", Path: "/" + u.Host + u.Path}
		if host := getenv("STORAGE_EMULATOR_HOST"); host != "" {
			at, err := endpoint(host)
			if err != nil {
				return nil, fmt.Errorf("reading STORAGE_EMULATOR_HOST: %w", err)
			}
			out.Scheme, out.Host = at.Scheme, at.Host
		}
		return out, nil
	}
	return u, nil
}

// endpoint reads the address of a service, with or without a scheme.
func endpoint(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no http address", Redact(text))
	}
	return u, nil
}

// signer gives what authenticates requests for an object; nil when nothing does.
func signer(u *url.URL, o Options) func(context.Context, *http.Request) error {
	switch {
	case u.Scheme == "s3" && o.Getenv("AWS_ACCESS_KEY_ID") != "":
		return func(_ context.Context, r *http.Request) error { signS3(r, o.Getenv, time.Now()); return nil }
	case u.Scheme == "gs" && (o.Getenv("GOOGLE_OAUTH_ACCESS_TOKEN") != "" || o.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != ""):
		return func(ctx context.Context, r *http.Request) error { return signGoogle(ctx, r, o) }
	case strings.HasSuffix(u.Hostname(), ".blob.core.windows.net") && o.Getenv("AZURE_STORAGE_ACCESS_KEY") != "":
		return func(_ context.Context, r *http.Request) error { return signAzure(r, o.Getenv, time.Now()) }
	}
	return nil
}
