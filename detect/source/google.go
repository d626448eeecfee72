package source

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serviceAccount is the part of a service account's key file that counts.
type serviceAccount struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	KeyID    string `json:"private_key_id"`
	Key      string `json:"private_key"`
	TokenURI string `json:"token_uri"`
}

// signGoogle adds an access token: the one in the environment, or one for the service account's key.
func signGoogle(ctx context.Context, r *http.Request, o Options) error {
	token := o.Getenv("GOOGLE_OAUTH_ACCESS_TOKEN")
	if token == "" {
		var err error
		if token, err = googleToken(ctx, o, time.Now()); err != nil {
			return fmt.Errorf("getting an access token for Google Cloud Storage: %w", err)
		}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}

func googleToken(ctx context.Context, o Options, now time.Time) (string, error) {
	file := o.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
	data, err := readFileBounded(file)
	if err != nil {
		return "", err
	}
	var a serviceAccount
	if err := json.Unmarshal(data, &a); err != nil || a.Type != "service_account" || a.TokenURI == "" {
		return "", fmt.Errorf("%s is no service account's key", file)
	}
	assertion, err := a.assertion(now)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := o.Client.Do(req)
	if err != nil {
		return "", urlCause(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if res.StatusCode != http.StatusOK {
		return "", &statusError{res.StatusCode, res.Status}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxRulesFile)).Decode(&answer); err != nil || answer.Token == "" {
		return "", errors.New("the server's answer holds no token")
	}
	return answer.Token, nil
}

// assertion is a signed statement of the account's own (RFC 7523) that it may read.
func (a *serviceAccount) assertion(now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return "", errors.New("its private key is no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("its private key cannot be read")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("its private key is no RSA key")
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": a.KeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": a.Email, "aud": a.TokenURI, "iat": now.Unix(),
		"exp": now.Add(time.Hour).Unix(), "scope": "https://www.googleapis.com/auth/devstorage.read_only"})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
