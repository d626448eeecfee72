// Command square answers with a number that C has worked out.
package main

// #include "square.h"
import "C"

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "7 squared is %d\n", C.square(7))
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
