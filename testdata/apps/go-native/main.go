// Command native calls a C library of the system: what it needs to be built follows from the directive below, what it
// loads at run time is found in the binary.
package main

// #cgo pkg-config: sqlite3
// #include <sqlite3.h>
import "C"

import (
	"fmt"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", ":"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	text := "SQLite " + C.GoString(C.sqlite3_libversion())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 4096))
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
		_ = conn.Close()
	}
}
