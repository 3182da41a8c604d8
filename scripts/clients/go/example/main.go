// An API of notes, whose access tokens Guildhall issues: members of an organization read its
// notes, and admins write them.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	guildhall "guildhall/scripts/clients/go"
)

func main() {
	verifier, err := guildhall.New(context.Background(), guildhall.Options{
		URL: os.Getenv("GUILDHALL_URL"), Audience: "https://notes.example.com", Key: os.Getenv("GUILDHALL_KEY"),
	})
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex
	notes := map[string][]string{} // by organization

	routes := http.NewServeMux()
	routes.Handle("GET /notes", guildhall.RequireScope("notes:read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := guildhall.FromContext(r.Context())
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(notes[who.Organization])
	})))
	routes.Handle("POST /notes", guildhall.RequireScope("notes:write", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := guildhall.FromContext(r.Context())
		var note string
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&note); err != nil {
			http.Error(w, "A note is a JSON string.", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		notes[who.Organization] = append(notes[who.Organization], note)
		w.WriteHeader(http.StatusCreated)
	})))
	server := &http.Server{Addr: os.Getenv("ADDRESS"), Handler: verifier.Middleware(routes), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
