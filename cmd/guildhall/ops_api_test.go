package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestAPIsAreRegisteredByCommand: `guildhall api create` prints a key that works, once.
func TestAPIsAreRegisteredByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, c := s.person("Ada"), s.withItsSecrets()
		var made struct {
			API struct{ ID, Identifier, Name, Claims string } `json:"api"`
			Key string                                        `json:"key"`
		}
		out := c.ok("api", "create", "https://orders.example.com", "--scope", "orders:read", "--scope", "orders:write=admin", "--role", "--json")
		if err := json.Unmarshal([]byte(out), &made); err != nil || made.API.Identifier != "https://orders.example.com" || made.API.Name != "https://orders.example.com" || made.API.Claims != "role" {
			t.Fatalf("%v: %s", err, out)
		}
		s.later(10 * time.Second) // the running service learns of it
		token := ada.post("/auth/api-token", body("resource", "https://orders.example.com")).is(200)
		if a := s.introspects(made.Key, token.str("access_token")); a.str("scope") != "orders:read orders:write" || a.str("role") != "owner" {
			t.Errorf("introspection says %s", a.body)
		}
		if out := c.ok("api", "list"); !strings.Contains(out, made.API.ID) || !strings.Contains(out, "orders:read orders:write") || strings.Contains(out, made.Key) {
			t.Errorf("listed: %s", out)
		}
		c.fails(1, "Another API has this identifier.", "api", "create", "https://orders.example.com")
		for _, wrong := range [][]string{{"orders"}, {"https://x.example.com", "--scope", "a=king"}, {"https://x.example.com", "--scope", "A"}} {
			c.fails(2, "must", append([]string{"api", "create"}, wrong...)...)
		}
	})
}
