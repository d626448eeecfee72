// Command shop serves a page that the build of frontend makes, embedded in the binary.
package main

import (
	"embed"
	"io/fs"
	"log"
	"net/http"
	"os"
)

//go:embed all:frontend/dist
var files embed.FS

func main() {
	page, err := fs.Sub(files, "frontend/dist")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/api/hello", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"hello":"from go"}`))
	})
	http.Handle("/", http.FileServerFS(page))
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
