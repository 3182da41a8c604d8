package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/modules/auth"
	"guildhall/platform/config"
)

// setUpLink returns the token of a link as `guildhall admin link` prints it.
func (s *service) setUpLink() string {
	s.t.Helper()
	link, err := s.auth.CommandLine().SetUpLink(everything, "http://localhost")
	if err != nil {
		s.t.Fatal(err)
	}
	return link[len("http://localhost"+auth.SetUpPage+"#link_token="):]
}

func TestTheFirstAdministrator(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		set := func(token, email string) answer {
			return s.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "Ada", "setup_token", token))
		}
		token, other, late := s.setUpLink(), s.setUpLink(), s.setUpLink()
		set(token+"x", "ada@example.com").is(401, "invalid_challenge")
		// No other way uses the link.
		s.do("POST", "/api/v1/auth/token", "", body("grant_type", "challenge", "link_token", token)).is(401, "invalid_challenge")
		s.do("POST", "/api/v1/auth/password-reset", "", body("link_token", token, "new_password", password)).is(401, "invalid_challenge")

		// Of several at once, one succeeds.
		var made atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if a := set(token, []string{"ada@example.com", "eve@example.com"}[i%2]); a.status == 201 {
					made.Add(1)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			t.Fatalf("%d administrators", made.Load())
		}
		set(token, "mary@example.com").is(401, "invalid_challenge")
		set(other, "mary@example.com").is(409, "already_set_up")
		s.later(25 * time.Hour)
		set(late, "mary@example.com").is(401, "invalid_challenge")
		s.do("POST", "/api/v1/auth/token", "", body("username", "mary@example.com", "password", password)).is(401, "invalid_credentials")
		if _, err := s.auth.CommandLine().SetUpLink(everything, ""); err == nil {
			t.Error("another link")
		}
	}, func(c *config.Config) { c.EnableRegistration = false })
}

func TestTheFirstMinute(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		token := s.setUpLink()
		b.get("/account/welcome").says(200, "Create the first account", "curl -X POST", "setup_token")
		b.post("/account/welcome", "link_token", "x", "name", "Ada", "email", "ada@example.com", "password", password).says(401, "Ada")
		b.post("/account/welcome", "link_token", token, "name", "Ada", "email", "ada@example.com", "password", "short").says(422, token, `value="ada@example.com"`)
		b.post("/account/welcome", "link_token", token, "name", "Ada", "email", "ada@example.com", "password", password).leads("/console/new")
		b.get("/console/new").says(200, "Name of the organization", "curl -X POST", "/api/v1/organizations", "Platform")
		home := b.post("/console/new", "name", "Engines").header.Get("Location")
		b.get(home).says(200, "Engines", "Invite a colleague")
	}, withPages)

}
