package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
)

// withMailbox keeps mails, so that tests read them.
func withMailbox(c *config.Config) {
	c.Mail.Transport = "mailbox"
	c.PublicURL = "https://id.example.com"
}

// keptMail is a mail in the mailbox.
type keptMail struct {
	ID      string   `json:"id"`
	To      string   `json:"to"`
	Kind    string   `json:"kind"`
	Locale  string   `json:"locale"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	Links   []string `json:"links"`
	Codes   []string `json:"codes"`
}

// code returns the code without its space.
func (m keptMail) code() string { return strings.ReplaceAll(strings.Join(m.Codes, ""), " ", "") }

// link returns the token in the fragment of the link.
func (m keptMail) link() string {
	_, token, _ := strings.Cut(strings.Join(m.Links, ""), "#link_token=")
	return token
}

// mails returns the mails to an address, the newest first.
func (s *service) mails(to string) (list []keptMail) {
	s.t.Helper()
	w := s.browse("/dev/mailbox?to="+to, func(r *http.Request) { r.Header.Set("Accept", "application/json") })
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		s.t.Fatalf("%s: %v", w.Body, err)
	}
	return list
}

// mail returns the newest mail of a kind to an address.
func (s *service) mail(to, kind string) keptMail {
	s.t.Helper()
	for _, m := range s.mails(to) {
		if m.Kind == kind {
			return m
		}
	}
	s.t.Fatalf("no %s to %s: %+v", kind, to, s.mails(to))
	return keptMail{}
}

// ask asks for a challenge and returns its token.
func (s *service) ask(purpose, email string) string {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/challenges", "", body("purpose", purpose, "email", email)).is(201).str("challenge_token")
}

// ask asks for a challenge to the actor.
func (a *actor) ask(purpose string, more ...any) answer {
	a.s.t.Helper()
	return a.post("/auth/challenges", body(append([]any{"purpose", purpose}, more...)...))
}

func TestPasswordReset(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		other := s.actorOf(s.logIn(ada.email, password).is(200))
		token := s.ask("reset_password", strings.ToUpper(ada.email))
		m := s.mail(ada.email, "reset_password")
		if want := "https://id.example.com/account/reset#link_token="; !strings.HasPrefix(m.Links[0], want) || len(m.code()) != 8 {
			t.Errorf("%+v", m)
		}
		reset := func(b map[string]any) answer {
			t.Helper()
			return s.do("POST", "/api/v1/auth/password-reset", "", b)
		}
		const chosen = "five boxing wizards jump"
		// What is wrong with the new password costs nothing.
		for range 10 {
			reset(body("challenge_token", token, "code", m.code(), "new_password", "password1")).is(422, "validation_failed")
		}
		reset(body("challenge_token", token, "code", wrong(m.code()), "new_password", chosen)).is(401, "invalid_challenge")
		reset(body("challenge_token", "x", "code", m.code(), "new_password", chosen)).is(401, "invalid_challenge")
		reset(body("link_token", token, "new_password", chosen)).is(401, "invalid_challenge")
		reset(body("code", m.code(), "new_password", chosen)).is(422, "validation_failed")
		second := s.ask("reset_password", ada.email)
		reset(body("challenge_token", second, "code", m.code(), "new_password", chosen)).is(401, "invalid_challenge") // the other's code
		reset(body("challenge_token", token, "code", m.Codes[0], "new_password", chosen)).is(204)

		// Both sessions have ended, the other challenge too, and a used one stays used.
		for _, a := range []*actor{ada, other} {
			a.get("/auth/me").is(401)
		}
		reset(body("challenge_token", token, "code", m.code(), "new_password", chosen)).is(401, "invalid_challenge")
		reset(body("link_token", m.link(), "new_password", chosen)).is(401, "invalid_challenge")
		reset(body("link_token", s.mail(ada.email, "reset_password").link(), "new_password", chosen)).is(401, "invalid_challenge")
		s.logIn(ada.email, password).is(401)
		ada = s.actorOf(s.logIn(ada.email, chosen).is(200))
		if me := ada.get("/auth/me").is(200).object(); me["email_verified"] != true {
			t.Errorf("%v", me)
		}
		// The notice undoes it.
		notice := s.mail(ada.email, "password_changed")
		s.do("POST", "/api/v1/auth/disavow", "", body("link_token", notice.link())).is(204)
		s.do("POST", "/api/v1/auth/disavow", "", body("link_token", notice.link())).is(401, "invalid_challenge")
		ada.get("/auth/me").is(401)
		s.logIn(ada.email, chosen).is(401)
		s.ask("reset_password", ada.email)
		reset(body("link_token", s.mail(ada.email, "reset_password").link(), "new_password", chosen)).is(204)
		s.logIn(ada.email, chosen).is(200)

		// Without an account there is no mail.
		s.ask("reset_password", "nobody@example.com")
		if list := s.mails("nobody@example.com"); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		// It expires.
		s.ask("reset_password", ada.email)
		s.later(time.Hour + time.Second)
		reset(body("link_token", s.mail(ada.email, "reset_password").link(), "new_password", chosen)).is(401, "invalid_challenge")
	}, withMailbox)
}

// wrong returns another code.
func wrong(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func TestCodesCantBeGuessed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		const chosen = "five boxing wizards jump"
		token := s.ask("reset_password", ada.email)
		code := s.mail(ada.email, "reset_password").code()
		guess := func(token, code string) answer {
			return s.do("POST", "/api/v1/auth/password-reset", "", body("challenge_token", token, "code", code, "new_password", chosen))
		}
		for range 5 {
			guess(token, wrong(code)).is(401, "invalid_challenge")
		}
		guess(token, code).is(401, "invalid_challenge") // though it is right
	}, withMailbox)
}
