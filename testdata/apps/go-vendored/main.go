// Command vendored answers with what a vendored package says.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/greeting"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, greeting.Hello()) })
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
