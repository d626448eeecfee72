package source

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// azureVersion is the version of the Blob service's protocol that the request follows.
const azureVersion = "2021-08-06"

// signAzure signs a GET request with an account's key, as Shared Key authorization says.
func signAzure(r *http.Request, getenv func(string) string, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(getenv("AZURE_STORAGE_ACCESS_KEY"))
	if err != nil {
		return errors.New("AZURE_STORAGE_ACCESS_KEY is not in base64")
	}
	account, _, _ := strings.Cut(r.URL.Hostname(), ".")
	at := now.UTC().Format(http.TimeFormat)
	r.Header.Set("X-Ms-Date", at)
	r.Header.Set("X-Ms-Version", azureVersion)
	fields := make([]string, 11) // Content-Encoding … If-Unmodified-Since, all empty; then Range
	text := r.Method + "\n" + strings.Join(fields, "\n") + r.Header.Get("Range") + "\n" +
		"x-ms-date:" + at + "\nx-ms-version:" + azureVersion + "\n/" + account + r.URL.EscapedPath()
	r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(hmacSHA256(key, text)))
	return nil
}
