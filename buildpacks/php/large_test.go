package php

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLarge reads a lock of 10 MB in which everything is as bad as it can be; what took time for each pair of its
// packages would take minutes.
func TestLarge(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"packages":[`)
	for i := 0; b.Len() < 10<<20; i++ {
		fmt.Fprintf(&b, `{"name":"acme/p%d","version":"1.%d","require":{"php":">=7.%d","ext-e%d":"*","acme/p%d":"*"}},`, i, i, i, i, i+1)
	}
	b.WriteString(`{"name":"last"}]}`)
	start := time.Now()
	l, err := parseLock(fileLock, []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	d := &decision{lock: l, manifest: &manifest{Require: links{"acme/p7": "*", "acme/none": "^1"}}}
	if missing := d.drift(); len(missing) != 1 {
		t.Errorf("missing %v", missing)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
