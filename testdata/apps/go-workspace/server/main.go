// Command server answers with what the module next to it says.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/words"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, words.Hello) })
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
