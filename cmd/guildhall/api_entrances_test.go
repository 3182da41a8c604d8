package main

import (
	"fmt"
	"strings"
	"testing"
)

// entrance is a way into an account: it returns the last answer, which has tokens or asks for a
// second factor.
type entrance struct {
	name string
	in   func(s *service, a *actor) answer
}

var entrances = []entrance{
	{"password", func(s *service, a *actor) answer { return s.logIn(a.email, password) }},
	{"password, by a form", func(s *service, a *actor) answer {
		return s.form("/auth/token", "grant_type", "password", "username", a.email, "password", password)
	}},
	{"password, into an organization", func(s *service, a *actor) answer {
		return s.logIn(a.email, password, "organization_id", a.organization)
	}},
	{"code from a mail", func(s *service, a *actor) answer {
		token := s.ask("log_in", a.email)
		return s.enter("challenge_token", token, "code", s.mail(a.email, "log_in_code").code())
	}},
	{"link from a mail", func(s *service, a *actor) answer {
		s.ask("log_in", a.email)
		return s.enter("link_token", s.mail(a.email, "log_in_code").link())
	}},
	{"reset of the password, then password", func(s *service, a *actor) answer {
		s.ask("reset_password", a.email)
		s.public("/auth/password-reset", "link_token", s.mail(a.email, "reset_password").link(), "new_password", password).is(204)
		return s.logIn(a.email, password)
	}},
	{"this wasn't me, reset, then password", func(s *service, a *actor) answer {
		a.patch("/users/"+a.id+"/password", body("old_password", password, "new_password", "five boxing wizards jump")).is(204)
		s.public("/auth/disavow", "link_token", s.mail(a.email, "password_changed").link()).is(204)
		s.ask("reset_password", a.email)
		s.public("/auth/password-reset", "link_token", s.mail(a.email, "reset_password").link(), "new_password", password).is(204)
		return s.logIn(a.email, password)
	}},
	{"provider, not linked", func(s *service, a *actor) answer {
		return s.logsInAs(memberAt("not-linked "+a.id, a.email))
	}},
	{"provider, linked", func(s *service, a *actor) answer {
		a.links(memberAt("linked "+a.id, a.email)).is(201)
		return s.logsInAs(memberAt("linked "+a.id, a.email))
	}},
	{"password set by the operator", func(s *service, a *actor) answer {
		if out, status := s.command(password+"\n", "admin", "set-password", a.email); status != 0 {
			s.t.Fatal(out)
		}
		return s.logIn(a.email, password)
	}},
}

// enrolment is what a person has set up.
type enrolment struct {
	name   string
	set    func(a *actor) (second func() []any) // what proves the second factor
	opened bool
}

var enrolments = []enrolment{
	{"nothing", func(*actor) func() []any { return nil }, true},
	{"an app that is not confirmed", func(a *actor) func() []any {
		a.post("/auth/factors/totp", body()).is(201)
		return nil
	}, true},
	{"an app", func(a *actor) func() []any {
		app, _ := a.enrols()
		return func() []any { return []any{"otp", app.next()} }
	}, false},
	{"an app, recovery code used", func(a *actor) func() []any {
		_, codes := a.enrols()
		return func() []any { return []any{"recovery_code", codes[0]} }
	}, false},
	{"an app, since removed", func(a *actor) func() []any {
		app, _ := a.enrols()
		a.delete("/auth/factors/" + app.id).is(204)
		return nil
	}, true},
}

// TestEveryWayIn enters by every way with every factor, and compares what was proved with a golden
// file that a person can review. With a factor, no way may begin a session by itself.
func TestEveryWayIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		var out strings.Builder
		for _, e := range enrolments {
			fmt.Fprintf(&out, "%s\n", strings.ToUpper(e.name))
			for _, way := range entrances {
				a := s.verifiedPerson("Ada")
				second := e.set(a)
				live := "SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL"
				before := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", a.id)
				got := way.in(s, a)
				if asked := got.status == 403; asked == e.opened {
					t.Errorf("%s, %s: %d %s", e.name, way.name, got.status, got.body)
				}
				fmt.Fprintf(&out, "  %-38s %d", way.name, got.status)
				if got.status == 403 {
					if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", a.id); n > before {
						t.Errorf("%s, %s: a session began: %d, before %d; live: %d", e.name, way.name, n, before, s.count(live, a.id))
					}
					fmt.Fprintf(&out, " %s %s", got.code(), got.str("methods"))
					got = s.completes(got.str("challenge_token"), second()...).is(200)
					fmt.Fprintf(&out, ", then %d", got.status)
				}
				proved := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? AND revoked_at IS NULL ORDER BY id DESC LIMIT 1", a.id)
				fmt.Fprintf(&out, " %s, aal%s\n", proved[0][0], proved[0][1])
				s.actorOf(got).get("/auth/me").is(200)
			}
		}
		golden(t, "entrances.txt", out.String())
	}, withMailbox, logInByEmail, withProvider(t, "oidc"))
}
