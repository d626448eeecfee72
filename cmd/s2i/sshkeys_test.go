package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func TestServeKeys(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"key": pem.EncodeToMemory(block), "locked": pem.EncodeToMemory(locked), "none": []byte("x")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := &contexts{}
	found, err := x.agents([]string{"own=" + filepath.Join(dir, "key")})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", found["own"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil || len(keys) != 1 {
		t.Fatalf("the agent has %v, %v, want one key", keys, err)
	}
	signature, err := client.Sign(keys[0], []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys[0].Verify([]byte("text"), signature); err != nil {
		t.Error(err)
	}
	if err := client.RemoveAll(); err == nil {
		t.Error("the process inside could take the keys away")
	}
	x.close()
	if _, err := os.Stat(found["own"]); err == nil {
		t.Error("the socket is still there")
	}
	for name, want := range map[string]string{"locked": "has a passphrase", "none": "is no private key", "missing": "no such file"} {
		if _, err := x.agents([]string{"own=" + filepath.Join(dir, name)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
}
