package main

import "testing"

// TestHasCredentials makes sure that no address of a list takes a password into the sandbox.
func TestHasCredentials(t *testing.T) {
	for value, want := range map[string]bool{
		"":                                    false,
		"direct":                              false,
		"https://a.example.com,direct":        false,
		"https://a.example.com/x@v1":          false,
		"https://u:p@a.example.com":           true,
		"https://a.example.com,https://u@b.c": true,
		"https://a.example.com|http://u:p@b":  true,
		"u:p@proxy.example.com:3128":          true,
		"localhost,127.0.0.1,.example.com":    false,
	} {
		if got := hasCredentials(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
