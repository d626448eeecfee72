// Command api answers requests and serves the directory static from its working directory.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/shop/internal/greet"
)

func main() {
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, greet.Hello("api")) })
	http.Handle("/static/", http.FileServer(http.Dir(".")))
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
