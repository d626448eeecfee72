// Command sums answers with a number that SQLite, a library of the system, has worked out.
package main

// #cgo LDFLAGS: -lsqlite3
// #include <sqlite3.h>
// #include <stdlib.h>
//
// static int query(const char *text, int *result) {
//   sqlite3 *db;
//   sqlite3_stmt *stmt;
//   int code = sqlite3_open(":memory:", &db);
//   if (code == SQLITE_OK) code = sqlite3_prepare_v2(db, text, -1, &stmt, 0);
//   if (code == SQLITE_OK) {
//     if (sqlite3_step(stmt) == SQLITE_ROW) *result = sqlite3_column_int(stmt, 0);
//     code = sqlite3_finalize(stmt);
//   }
//   sqlite3_close(db);
//   return code;
// }
import "C"

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"unsafe"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		text := C.CString("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) SELECT sum(i) FROM n")
		defer C.free(unsafe.Pointer(text))
		var sum C.int
		if code := C.query(text, &sum); code != 0 {
			http.Error(w, fmt.Sprintf("SQLite: error %d", code), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "SQLite says that 1 to 100 is %d\n", sum)
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
