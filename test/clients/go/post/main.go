// Sends a body that is too large with net/http, and prints the status of the answer.
package main

import (
	"bytes"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
)

func main() {
	size, err := strconv.Atoi(os.Getenv("BODY_BYTES"))
	if err != nil {
		log.Fatal(err)
	}
	body := bytes.NewReader(bytes.Repeat([]byte("x"), size))
	answer, err := http.Post(os.Getenv("FOOTFALL_URL")+os.Getenv("PATHNAME"), "application/json", body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(`{"status":%d}`, answer.StatusCode)
}
