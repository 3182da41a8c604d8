package main

import (
	"strings"
	"testing"
)

// TestASetPasswordLetsThemIn checks that a user can log in with their new password at
// once, even after too many wrong ones, and that the command reports if they can't.
func TestASetPasswordLetsThemIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, root, ada := s.atServer(), s.operator("Root"), s.person("Ada")
		chosen := "five boxing wizards"
		set := func(says ...string) {
			t.Helper()
			out, errs, status := separately(t, chosen+"\n", c.dir, c.environ, "admin", "set-password", ada.email)
			if status != 0 {
				t.Fatalf("%d: %s%s", status, out, errs)
			}
			for _, s := range append(says, ada.email+" has a new password") {
				if !strings.Contains(out, s) {
					t.Errorf("does not say %q: %s", s, out)
				}
			}
			if len(says) == 0 && strings.Contains(out, "can't log in") {
				t.Errorf("printed: %s", out)
			}
		}
		logIn := func(from string) answer {
			return s.from(from, "POST", "/api/v1/auth/token", body("username", ada.email, "password", chosen))
		}

		// The limits after guesses from one address, and after a hundred from everywhere.
		const here, elsewhere = "192.0.2.1:1", "203.0.113.1:1"
		for range 5 {
			logIn(here).is(401)
		}
		logIn(here).is(429)
		set("their failed log-ins reset")
		logIn(here).is(200)
		lastEvent(root, ada.path(), "password.changed")
		lastEvent(root, ada.path(), "user.unlocked")
		chosen = "six boxing wizards"
		logIn(elsewhere).is(401)
		s.exec("UPDATE rate_limits SET tat = tat + 90000000000")
		logIn("198.51.100.7:1").is(429)
		set()
		logIn("198.51.100.8:1").is(200)

		// The log-in is still refused.
		c.ok("user", "suspend", ada.email, "--reason", "Under investigation.")
		set("they can't log in: the account is suspended", "Under investigation.", "guildhall user activate "+ada.email)
		logIn("198.51.100.9:1").is(403, "account_suspended")
		if out := c.ok("user", "unlock", ada.email); !strings.Contains(out, "they can't log in") {
			t.Errorf("unlock: %s", out)
		}
		if out := c.ok("admin", "grant", ada.email); !strings.Contains(out, "they can't log in") {
			t.Errorf("grant: %s", out)
		}
		c.ok("user", "activate", ada.email)
		c.ok("user", "deactivate", ada.email)
		set("the account is inactive", "guildhall user activate "+ada.email)
		c.ok("user", "archive", ada.email, "--reason", "Left.")
		set("the account is archived", "Left.", "guildhall user unarchive "+ada.email)
		c.ok("user", "unarchive", ada.email)
		set()
		logIn("198.51.100.9:1").is(200)
	}, limited)
}
