// Command pocketbase is an unmodified PocketBase, for scripts/moving-in/pocketbase.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
)

func main() {
	if err := pocketbase.New().Start(); err != nil {
		log.Fatal(err)
	}
}
