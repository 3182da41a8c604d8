package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
)

// The attacks on what is proved by mail, by the numbers of the threat model.

const newPassword = "five boxing wizards jump"

// logInByEmail lets people log in with a code or link from a mail.
func logInByEmail(c *config.Config) { c.LogInByEmail = true }

// confirming makes people prove their address before they have an account.
func confirming(c *config.Config) { c.ConfirmEmail = true }

// registered is a person who confirmed their registration.
func (s *service) registered(name string) *actor {
	s.t.Helper()
	email := fmt.Sprintf("%s.%d@example.com", strings.ToLower(name), people.Add(1))
	token := s.public("/auth/register", "email", email, "name", name, "password", password).is(202).str("challenge_token")
	return s.actorOf(s.enter("challenge_token", token, "code", s.mail(email, "confirm_email").code()).is(200))
}

// public posts without an access token.
func (s *service) public(path string, pairs ...any) answer {
	s.t.Helper()
	return s.do("POST", endpoint(path), "", body(pairs...))
}

// reset sets a new password with a proof.
func (s *service) reset(proof ...any) answer {
	s.t.Helper()
	return s.public("/auth/password-reset", append([]any{"new_password", newPassword}, proof...)...)
}

// enter logs in with a proof.
func (s *service) enter(proof ...any) answer {
	s.t.Helper()
	return s.public("/auth/token", append([]any{"grant_type", "challenge"}, proof...)...)
}

// verifiedPerson is a person who has proved their address.
func (s *service) verifiedPerson(name string) *actor {
	s.t.Helper()
	a := s.person(name)
	a.verify()
	return a
}

// verify proves the actor's address.
func (a *actor) verify() {
	a.s.t.Helper()
	token := a.ask("verify_email").is(201).str("challenge_token")
	a.post("/auth/email-confirmation", body("challenge_token", token, "code", a.s.mail(a.email, "verify_email").code())).is(200)
}

// changeEmail changes the actor's address.
func (a *actor) changeEmail(to string) answer {
	a.s.t.Helper()
	token := a.ask("change_email", "new_email", to).is(201).str("challenge_token")
	return a.post("/auth/email-confirmation", body("challenge_token", token, "code", a.s.mail(to, "change_email").code()))
}

// logInAs logs in with a User-Agent.
func (s *service) logInAs(client, email, password string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/token", "", body("username", email, "password", password), "User-Agent", client)
}

// openChallenges counts the challenges of an account that can be answered, without the
// disavowals.
func (s *service) openChallenges(userID string) int {
	s.t.Helper()
	return s.count("SELECT COUNT(*) FROM challenges WHERE user_id = ? AND consumed_at IS NULL AND purpose <> 'disavow'", userID)
}

// TestAMailScannerSpendsNothing: 59.
func TestAMailScannerSpendsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		const moved = "ada@moved.example.com"
		s.ask("log_in", ada.email)
		s.ask("reset_password", ada.email)
		grace := s.person("Grace")
		grace.ask("verify_email").is(201)
		ada.ask("change_email", "new_email", moved).is(201)
		s.logInAs("another device", ada.email, password).is(200)
		links := map[string]string{} // the paths at which they are answered
		for _, l := range []struct{ to, kind, path string }{
			{ada.email, "log_in_code", "/auth/token"}, {ada.email, "reset_password", "/auth/password-reset"}, {grace.email, "verify_email", "/auth/email-confirmation"},
			{moved, "change_email", "/auth/email-confirmation"}, {ada.email, "new_device", "/auth/disavow"},
		} {
			links[s.mail(l.to, l.kind).Links[0]] = l.path
		}
		contents := func() map[string][]string { return s.inputContents("challenges", "mail_outbox", "audit_events") }
		before := contents()
		for link, path := range links {
			page, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				for _, method := range []string{"GET", "HEAD"} {
					for _, target := range []string{page.Path, page.Path + "?" + page.Fragment, endpoint(path), endpoint(path) + "?" + page.Fragment} {
						w := httptest.NewRecorder()
						s.app.API().ServeHTTP(w, httptest.NewRequest(method, target, nil))
						if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
							t.Errorf("%s %s: %d", method, target, w.Code)
						}
					}
				}
			}
		}
		if after := contents(); !maps.EqualFunc(before, after, slices.Equal) {
			t.Error("a GET changed something")
		}
		s.enter("link_token", s.mail(ada.email, "log_in_code").link()).is(200)
		grace.post("/auth/email-confirmation", body("link_token", s.mail(grace.email, "verify_email").link())).is(200)
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "new_device").link()).is(204)
	}, withMailbox, logInByEmail)
}

// TestNobodyElseSpendsALink: 60. The scanner of the victim's mailbox runs scripts, and
// Mallory registered the victim's address.
func TestNobodyElseSpendsALink(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		mallory, victim := s.person("Mallory"), s.person("Victim")
		token := mallory.ask("verify_email").is(201).str("challenge_token")
		m := s.mail(mallory.email, "verify_email")
		byCode, byLink := body("challenge_token", token, "code", m.code()), body("link_token", m.link())
		for range 3 { // more often than there are attempts, if they counted twice
			s.do("POST", "/api/v1/auth/email-confirmation", "", byLink).is(401)
			s.do("POST", "/api/v1/auth/email-confirmation", "", byCode).is(401)
			victim.post("/auth/email-confirmation", byLink).is(401, "invalid_challenge")
		}
		victim.post("/auth/email-confirmation", byCode).is(401, "invalid_challenge")
		victim.post("/auth/email-confirmation", body("code", m.code())).is(422, "validation_failed")
		another := victim.ask("verify_email").is(201).str("challenge_token")
		victim.post("/auth/email-confirmation", body("challenge_token", another, "code", m.code())).is(401, "invalid_challenge")
		for _, a := range []*actor{mallory, victim} {
			if a.get("/auth/me").is(200).object()["email_verified"] != false {
				t.Errorf("%s is verified", a.email)
			}
		}
		// It is no proof for anything else.
		s.reset("link_token", m.link()).is(401, "invalid_challenge")
		s.enter("link_token", m.link()).is(401, "invalid_challenge")
		s.public("/auth/disavow", "link_token", m.link()).is(401, "invalid_challenge")
		mallory.post("/auth/step-up", byCode).is(401, "invalid_challenge")
		mallory.post("/auth/email-confirmation", byLink).is(200)
		mallory.post("/auth/email-confirmation", byLink).is(401, "invalid_challenge")
		mallory.ask("verify_email").is(409, "already_verified")
	}, withMailbox)
}

// TestTheMailboxsOwnerWins: 61. Mallory registered the victim's address, and keeps whatever
// can be kept.
func TestTheMailboxsOwnerWins(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for name, prove := range map[string]func(email string) answer{
			"reset by code": func(email string) answer {
				return s.reset("challenge_token", s.ask("reset_password", email), "code", s.mail(email, "reset_password").code())
			},
			"reset by link": func(email string) answer {
				s.ask("reset_password", email)
				return s.reset("link_token", s.mail(email, "reset_password").link())
			},
			"log-in by code": func(email string) answer {
				return s.enter("challenge_token", s.ask("log_in", email), "code", s.mail(email, "log_in_code").code())
			},
			"log-in by link": func(email string) answer {
				s.ask("log_in", email)
				return s.enter("link_token", s.mail(email, "log_in_code").link())
			},
			"provider": func(email string) answer {
				return s.logsInAs(memberAt(fmt.Sprintf("victim-%d", people.Add(1)), email))
			},
		} {
			mallory := s.person("Victim")
			accomplice := newcomer()
			mallory.links(accomplice).is(201)
			mallory.ask("link_identity", "provider", "corp", "redirect_uri", backTo).is(201)
			second := s.actorOf(s.logIn(mallory.email, password).is(200))
			evil := fmt.Sprintf("mallory.%d@example.com", people.Add(1))
			change := second.ask("change_email", "new_email", evil).is(201).str("challenge_token")
			code := s.mail(evil, "change_email").code()
			mallory.ask("verify_email").is(201)
			s.ask("log_in", mallory.email)
			s.ask("reset_password", mallory.email)

			a := prove(mallory.email)
			if a.status != 200 && a.status != 204 {
				t.Fatalf("%s: %d %s", name, a.status, a.body)
			}
			for _, thief := range []*actor{mallory, second} {
				thief.get("/auth/me").is(401)
				s.refresh(thief.refresh).is(401)
			}
			s.logIn(mallory.email, password).is(401, "invalid_credentials")
			if in := s.logsInAs(accomplice).is(200); in.str("user_id") == mallory.id {
				t.Errorf("%s: the account that was linked logs in", name)
			}
			if n := s.openChallenges(mallory.id); n != 0 {
				t.Errorf("%s: %d challenges are open", name, n)
			}
			owner := s.actorOf(a)
			if a.status == 204 {
				owner = s.actorOf(s.logIn(mallory.email, newPassword).is(200))
			}
			owner.post("/auth/email-confirmation", body("challenge_token", change, "code", code)).is(401, "invalid_challenge")
			if me := owner.get("/auth/me").is(200).object(); me["email"] != mallory.email || me["email_verified"] != true {
				t.Errorf("%s: %v", name, me)
			}
			// Whoever proves an address again keeps what they have.
			s.enter("challenge_token", s.ask("log_in", owner.email), "code", s.mail(owner.email, "log_in_code").code()).is(200)
			owner.get("/auth/me").is(200)
		}
	}, withMailbox, logInByEmail, withProvider(t, "oidc"))
}

// TestAChallengeToAFormerAddress: the address changes while its challenge is being written.
func TestAChallengeToAFormerAddress(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		s.ask("reset_password", ada.email)
		s.ask("log_in", ada.email)
		ada.changeEmail("ada@moved.example.com").is(200)
		s.exec("UPDATE challenges SET consumed_at = NULL WHERE purpose IN ('reset_password', 'log_in')")
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(401, "invalid_challenge")
		s.enter("link_token", s.mail(ada.email, "log_in_code").link()).is(401, "invalid_challenge")
	}, withMailbox, logInByEmail)
}

// TestTrustOneProofWinsOnce: 63.
func TestTrustOneProofWinsOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		rounds, n := size(2, 50), 64
		ada := s.verifiedPerson("Ada")
		for range rounds {
			token := s.ask("log_in", ada.email)
			m := s.mail(ada.email, "log_in_code")
			before := s.count("SELECT COUNT(*) FROM sessions")
			oneWins(t, n, 200, 401, func(i int) answer {
				if i%32 == 0 {
					return s.enter("challenge_token", token, "code", m.code())
				}
				return s.enter("link_token", m.link())
			})
			if begun := s.count("SELECT COUNT(*) FROM sessions") - before; begun != 1 {
				t.Errorf("%d sessions", begun)
			}
		}
		recordResult(t, "one code and its link at once", string(s.kernel.DB.Driver()), rounds*n, 0, 0, "%d rounds of %d requests", rounds, n)
	}, withMailbox, logInByEmail)
}

// TestTrustParallelGuesses: 64. The right code comes sixth.
func TestTrustParallelGuesses(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		rounds, n := size(2, 20), 100
		for range rounds {
			token := s.ask("log_in", ada.email)
			code := s.mail(ada.email, "log_in_code").code()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { s.enter("challenge_token", token, "code", wrong(code)).is(401, "invalid_challenge") })
			}
			wg.Wait()
			s.enter("challenge_token", token, "code", code).is(401, "invalid_challenge")
			if taken := s.count("SELECT attempts FROM challenges ORDER BY id DESC LIMIT 1"); taken != 5 {
				t.Errorf("%d attempts", taken)
			}
		}
		recordResult(t, "guesses of a code at once", string(s.kernel.DB.Driver()), rounds*n, 0, 0, "%d rounds; 5 are compared", rounds)
	}, withMailbox, logInByEmail)
}

// TestANewCodeDoesNotResetTheBudget: 65. Mallory asks for new challenges from everywhere.
func TestANewCodeDoesNotResetTheBudget(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		from := func(i int, path string, pairs ...any) answer {
			return s.from(fmt.Sprintf("198.51.100.%d:1", i), "POST", "/api/v1/auth"+path, body(pairs...))
		}
		compared := 0
		for i := range 4 {
			token := from(i, "/challenges", "purpose", "reset_password", "email", ada.email).is(201).str("challenge_token")
			code := s.mail(ada.email, "reset_password").code()
			for j := range 4 {
				switch a := from(10*i+j, "/password-reset", "challenge_token", token, "code", wrong(code), "new_password", newPassword); a.status {
				case 401:
					compared++
				case 429:
					if seconds := retryAfter(a); seconds > 180 {
						t.Errorf("Retry-After: %d", seconds)
					}
				default:
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
		}
		if compared != 10 {
			t.Errorf("%d codes were compared", compared)
		}
		token := s.ask("reset_password", ada.email)
		m := s.mail(ada.email, "reset_password")
		s.reset("challenge_token", token, "code", m.code()).is(429, "too_many_requests")
		s.later(3*time.Minute + time.Second) // one more, and not ten
		s.reset("challenge_token", token, "code", wrong(m.code())).is(401, "invalid_challenge")
		s.reset("challenge_token", token, "code", m.code()).is(429, "too_many_requests")
		s.reset("link_token", m.link()).is(204)
		// Who proved the mailbox has the whole budget again.
		s.reset("challenge_token", s.ask("reset_password", ada.email), "code", s.mail(ada.email, "reset_password").code()).is(204)
	}, withMailbox, limited)
}

// shape is what a client sees of an answer, without what differs between any two.
func (a answer) shape() string {
	header := a.header.Clone()
	header.Del("X-Request-ID")
	header.Del("RateLimit")
	members := a.object()
	if token, ok := members["challenge_token"].(string); ok {
		members["challenge_token"] = len(token)
	}
	return fmt.Sprint(a.status, header, members)
}

// TestTrustMailEnumeration: 66. Known and unknown addresses get the same answer, for the
// same statements and rows, in the same time.
func TestTrustMailEnumeration(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, purpose := range []string{"reset_password", "log_in"} {
			s.alike(purpose, ada.email, func(email string) answer { return s.public("/auth/challenges", "purpose", purpose, "email", email) })
		}
	}, withMailbox, logInByEmail)
}

func TestTrustRegistrationEnumeration(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.registered("Ada")
		s.alike("registration", ada.email, func(email string) answer {
			return s.public("/auth/register", "email", email, "name", "New", "password", password)
		})
	}, withMailbox, confirming)
}

// alike asserts that an address with an account gets the same answer as one without.
func (s *service) alike(what, known string, ask func(email string) answer) {
	s.t.Helper()
	const unknown = "nobody@example.com"
	seed := trustSeed(s.t)
	costs := func(email string) string {
		rows := func() (counts []int) {
			for _, table := range []string{"challenges", "mail_outbox", "audit_events", "rate_limits"} {
				counts = append(counts, s.count("SELECT COUNT(*) FROM "+table))
			}
			return counts
		}
		before, statements := rows(), s.statements.Load()
		shape := ask(email).shape()
		statements = s.statements.Load() - statements
		after := rows()
		for i := range after {
			after[i] -= before[i]
		}
		return fmt.Sprint(shape, "; ", statements, " statements; rows ", after)
	}
	if k, u := costs(known), costs(unknown); k != u {
		s.t.Errorf("%s:\n%s\n%s", what, k, u)
	}
	pairs, wrong := size(20, 500), 0
	c := compare(pairs, seed, func() { ask(known) }, func() { ask(unknown) })
	// A known address may cost a few µs more, because its row is joined. An
	// attacker has ten samples an hour of an address, and each warns its owner.
	if trustLong() && (c.low > 0.10 || c.high < -0.10) {
		wrong = 1
	}
	recordResult(s.t, "timing: "+what+", known against unknown address", string(s.kernel.DB.Driver()), pairs, wrong, seed, "%s", c)
}

// TestMailCantBeFlooded: 92. By address, by client, and by a person who is signed in.
func TestMailCantBeFlooded(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		sent := func() int { return s.count("SELECT COUNT(*) FROM mail_outbox") }
		for _, email := range []string{ada.email, "nobody@example.com"} {
			for i := range 15 { // each from elsewhere
				a := s.from(fmt.Sprintf("198.51.100.%d:1", i), "POST", "/api/v1/auth/challenges", body("purpose", "reset_password", "email", strings.ToUpper(email)))
				if want := map[bool]int{true: 201, false: 429}[i < 10]; a.status != want {
					t.Fatalf("%s, mail %d: %d %s", email, i+1, a.status, a.body)
				} else if want == 429 && retryAfter(a) > 360 {
					t.Errorf("Retry-After: %s", a.header.Get("Retry-After"))
				} else if limit := a.header.Get("RateLimit"); want == 201 && strings.Contains(limit, "mail") {
					t.Errorf("what others asked for shows: %s", limit)
				}
			}
		}
		before := sent()
		for i := range 40 { // addresses, from one client
			a := s.from("203.0.113.1:1", "POST", "/api/v1/auth/challenges", body("purpose", "reset_password", "email", fmt.Sprintf("n%d@example.com", i)))
			if want := map[bool]int{true: 201, false: 429}[i < 30]; a.status != want {
				t.Fatalf("address %d: %d %s", i+1, a.status, a.body)
			}
		}
		for i := range 12 {
			s.address = fmt.Sprintf("203.0.113.%d:1", 10+i)
			a := eve.ask("change_email", "new_email", fmt.Sprintf("e%d@example.com", i))
			if want := map[bool]int{true: 201, false: 429}[i < 10]; a.status != want {
				t.Fatalf("signed in, address %d: %d %s", i+1, a.status, a.body)
			}
		}
		if got := sent() - before; got != 40 {
			t.Errorf("%d mails", got)
		}
		// What Eve is refused costs others nothing.
		victim := s.person("Victim")
		for range 12 {
			eve.ask("change_email", "new_email", victim.email).is(429, "too_many_requests")
		}
		s.ask("reset_password", victim.email)
	}, withMailbox, limited)
}

// TestNoticesCantBeFlooded: 92. Mallory registered the victim's address, and logs in from
// one new device after the other.
func TestNoticesCantBeFlooded(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		mallory := s.person("Victim")
		for i := range 25 {
			a := s.logInAs(strings.Repeat("x", i+1), mallory.email, password).is(200)
			if strings.Contains(a.header.Get("RateLimit"), "notice") {
				t.Errorf("RateLimit: %s", a.header.Get("RateLimit"))
			}
		}
		if n := len(s.mails(mallory.email)); n != 10 {
			t.Errorf("%d notices", n)
		}
		s.later(7 * time.Minute)
		s.logInAs("another", mallory.email, password).is(200)
		if n := len(s.mails(mallory.email)); n != 11 {
			t.Errorf("%d notices", n)
		}
	}, withMailbox, limited)
}

// TestADeviceCantHide: a client is the same in any version, and in no other way. A thief
// does not choose one that looks like all.
func TestADeviceCantHide(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
		ada := s.actorOf(s.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada"), "User-Agent", browser).is(201))
		notices := func() int { return len(s.mails(ada.email)) }
		before := notices()
		s.logInAs(strings.ReplaceAll(browser, "140.0", "141.0.2"), ada.email, password).is(200)
		if notices() != before {
			t.Error("an update is a new device")
		}
		for _, client := range []string{"1", "M1", "%", "Mozilla/5", "Mozilla/%", "Mozilla/5.0 (1) 1"} {
			s.logInAs(client, ada.email, password).is(200)
			if before++; notices() != before {
				t.Fatalf("%q is known", client)
			}
		}
	}, withMailbox)
}

// TestAResetBeginsNoSession: 75.
func TestAResetBeginsNoSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		other := s.actorOf(s.logIn(ada.email, password).is(200)).in(ada)
		before := s.count("SELECT COUNT(*) FROM sessions")
		s.ask("reset_password", ada.email)
		a := s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		if len(a.body) != 0 || len(a.header.Values("Set-Cookie")) != 0 || s.count("SELECT COUNT(*) FROM sessions") != before {
			t.Errorf("%s %v", a.body, a.header)
		}
		for _, old := range []*actor{ada, other} {
			old.get("/auth/me").is(401)
			s.refresh(old.refresh).is(401)
		}
	}, withMailbox)
}

// TestAChangeOfEmailStealsNothing: 84. A thief has Ada's session.
func TestAChangeOfEmailStealsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		thief := ada
		s.later(10*time.Minute + time.Second)
		refused := thief.ask("change_email", "new_email", "thief@example.com").is(401, "step_up_required")
		if h := refused.header.Get("WWW-Authenticate"); !strings.Contains(h, `error="insufficient_user_authentication"`) || !strings.Contains(h, `max_age="600"`) {
			t.Errorf("WWW-Authenticate: %s", h)
		}
		thief = s.actorOf(s.refresh(thief.refresh).is(200)) // a refresh proves nothing
		thief.ask("change_email", "new_email", "thief@example.com").is(401, "step_up_required")
		thief.in(s.person("Elsewhere").welcomes(thief)).ask("change_email", "new_email", "thief@example.com").is(401, "step_up_required")

		// The thief knows the password too, and sits at another device. Ada is told.
		thief = s.actorOf(s.logInAs("the thief's", ada.email, password).is(200))
		thief.ask("change_email", "new_email", "thief@example.com").is(201)
		thief.post("/auth/email-confirmation", body("link_token", s.mail("thief@example.com", "change_email").link())).is(200)
		if a := thief.get("/auth/me").is(200); a.str("email") != "thief@example.com" {
			t.Fatalf("%s", a.body)
		}
		first := s.mail(ada.email, "new_device")
		told := s.mail(ada.email, "email_changed")
		s.mail("thief@example.com", "email_changed")
		// The thief goes on, and takes care that nobody has Ada's address meanwhile.
		register := func() answer {
			return s.public("/auth/register", "email", ada.email, "name", "Thief", "password", password)
		}
		register().is(409, "email_taken")
		s.person("Accomplice").changeEmail(ada.email).is(409, "email_taken")
		thief.changeEmail("thief2@example.com").is(200)
		thief.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
		s.ask("reset_password", "thief2@example.com")
		pending := thief.ask("change_email", "new_email", "thief3@example.com").is(201).str("challenge_token")

		s.public("/auth/disavow", "link_token", told.link()).is(204)
		thief.get("/auth/me").is(401)
		for _, guess := range []string{password, newPassword} {
			for _, email := range []string{ada.email, "thief@example.com", "thief2@example.com"} {
				s.logIn(email, guess).is(401, "invalid_credentials")
			}
		}
		for _, email := range []string{"thief@example.com", "thief2@example.com"} {
			for _, m := range s.mails(email) {
				if m.link() == "" {
					continue
				}
				s.reset("link_token", m.link()).is(401, "invalid_challenge")
				s.enter("link_token", m.link()).is(401, "invalid_challenge")
				s.public("/auth/disavow", "link_token", m.link()).is(401, "invalid_challenge")
			}
			before := len(s.mails(email))
			s.ask("reset_password", email)
			if len(s.mails(email)) != before {
				t.Errorf("a mail to %s", email)
			}
		}
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		ada = s.actorOf(s.logIn(ada.email, newPassword).is(200))
		ada.post("/auth/email-confirmation", body("challenge_token", pending, "code", s.mail("thief3@example.com", "change_email").code())).is(401, "invalid_challenge")
		if me := ada.get("/auth/me").is(200).object(); me["id"] != ada.id || me["email_verified"] != true {
			t.Errorf("%v", me)
		}
		s.public("/auth/disavow", "link_token", first.link()).is(204) // still Ada's, and harmless
	}, withMailbox, logInByEmail)
}

// welcomes makes a person a member of the actor's organization, and returns the actor.
func (a *actor) welcomes(member *actor) *actor {
	a.s.t.Helper()
	a.post(a.org("/members"), body("user_id", member.id)).is(201)
	return a
}

// TestTheFirstNoticeTakesTheAddressBack: 84. Ada answers the notice of the thief's device,
// and not the later one of the change.
func TestTheFirstNoticeTakesTheAddressBack(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		thief := s.actorOf(s.logInAs("the thief's", ada.email, password).is(200))
		thief.changeEmail("thief@example.com").is(200)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "new_device").link()).is(204)
		s.ask("reset_password", "thief@example.com")
		for _, m := range s.mails("thief@example.com") {
			if m.Kind == "reset_password" {
				t.Error("the account is the thief's")
			}
		}
		s.public("/auth/disavow", "link_token", s.mail("thief@example.com", "email_changed").link()).is(401, "invalid_challenge")
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		if a := s.logIn(ada.email, newPassword).is(200); a.str("user_id") != ada.id {
			t.Errorf("%s", a.body)
		}
	}, withMailbox)
}

// TestNoticesAreInOrder: 84. Which changes a disavowal takes back does not depend on the
// clocks of the replicas: the one that told Ada is a minute ahead of the thief's.
func TestNoticesAreInOrder(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		now := s.kernel.Now()
		ahead := uuid.Must(uuid.NewV7())
		binary.BigEndian.PutUint32(ahead[:], binary.BigEndian.Uint32(ahead[:])+1) // about a minute
		s.exec("INSERT INTO challenges (id, purpose, user_id, email_canonical, link_hash, attempts, created_at, expires_at) VALUES (?, 'disavow', ?, ?, 'x', 0, ?, ?)",
			ahead, ada.id, ada.email, now, now.Add(time.Hour))
		ada.changeEmail("thief@example.com").is(200)
		ada.changeEmail("thief2@example.com").is(200)
		if n := s.count("SELECT COUNT(*) FROM challenges WHERE user_id = ? AND purpose = 'disavow' AND id > ?", ada.id, ahead); n != 4 {
			t.Errorf("%d notices are later", n)
		}
	}, withMailbox)
}

// TestAFreedAddressCantBeCaught: 84. An accomplice registers Ada's address while the
// transaction that frees it has not committed.
func TestAFreedAddressCantBeCaught(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, accomplice := s.verifiedPerson("Ada"), s.person("Accomplice")
		token := accomplice.ask("change_email", "new_email", ada.email).is(201).str("challenge_token")
		code := s.mail(ada.email, "change_email").code()
		for i, catch := range []func() answer{
			func() answer {
				return s.public("/auth/register", "email", ada.email, "name", "Accomplice", "password", password)
			},
			func() answer {
				return accomplice.post("/auth/email-confirmation", body("challenge_token", token, "code", code))
			},
		} {
			a := s.waits(ada, catch, func(ctx context.Context) error {
				now := s.kernel.Now()
				_, err := s.kernel.DB.Exec(ctx, "INSERT INTO challenges (id, purpose, user_id, email_canonical, link_hash, attempts, created_at, expires_at) VALUES (?, 'disavow', ?, ?, ?, 0, ?, ?)",
					uuid.Must(uuid.NewV7()), ada.id, ada.email, fmt.Sprint(i), now, now.Add(time.Hour))
				if err != nil {
					return err
				}
				moved := fmt.Sprintf("thief%d@example.com", i)
				_, err = s.kernel.DB.Exec(ctx, "UPDATE users SET email = ?, email_canonical = ? WHERE id = ?", moved, moved, ada.id)
				return err
			})
			a.is(409, "email_taken")
			s.exec("UPDATE users SET email = ?, email_canonical = ? WHERE id = ?", ada.email, ada.email, ada.id)
		}
	}, withMailbox)
}

// TestNobodySetsWhatWasProved: 94.
func TestNobodySetsWhatWasProved(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada")
		ada.enrols()
		grace := s.person("Grace").joins(ada, false)
		for route, fields := range goodBodies(ada, grace) {
			method, path, _ := strings.Cut(route, " ")
			target := strings.NewReplacer(":organization_id", ada.organization, ":user_id", ada.id, ":invitation_id", ada.id, ":key_id", ada.id, ":factor_id", ada.id, ":identity_id", ada.id, ":api_id", ada.id).Replace(path)
			for name, value := range map[string]any{
				"email_verified": true, "email_verified_at": "2026-11-29T09:00:00Z", "verified": true, "aal": 2, "amr": []string{"otp"}, "acr": "aal2",
				"authenticated_at": "2026-11-29T09:00:00Z", "attempts": 0, "consumed_at": "2026-11-29T09:00:00Z",
			} {
				b := maps.Clone(fields)
				b[name] = value
				a := s.do(method, endpoint(target), ada.access, b).isInvalid()
				if !strings.Contains(string(a.body), `"location":"body.`+name+`"`) {
					t.Errorf("%s: %s is not named: %s", route, name, a.body)
				}
			}
		}
	}, withMailbox)
}
