package main

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"guildhall/modules/auth"
	"guildhall/platform/config"
)

// authenticatorApp computes one-time passwords as an app on a phone does, by another
// implementation than the service's.
type authenticatorApp struct {
	s      *service
	id     string
	secret string
}

// next returns a code that was not used yet: it waits for the next step.
func (p authenticatorApp) next() string {
	p.s.t.Helper()
	p.s.later(30 * time.Second)
	return p.at(p.s.kernel.Now())
}

func (p authenticatorApp) at(when time.Time) string {
	p.s.t.Helper()
	code, err := totp.GenerateCode(p.secret, when)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return code
}

// enrols sets up an authenticator app and returns it with the recovery codes, if these are new.
func (a *actor) enrols() (authenticatorApp, []string) {
	a.s.t.Helper()
	offered := a.post("/auth/factors/totp", body("name", "My phone")).is(201)
	p := authenticatorApp{s: a.s, id: offered.str("id"), secret: offered.str("secret")}
	confirmed := a.post("/auth/factors/totp/"+p.id+"/confirm", body("otp", p.next())).is(201)
	var codes []string
	for _, c := range listOf(confirmed.value("recovery_codes")) {
		codes = append(codes, c.(string))
	}
	return p, codes
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// challenged logs in with the password and returns the challenge of the second factor.
func (s *service) challenged(a *actor) string {
	s.t.Helper()
	return s.logIn(a.email, password).is(403, "mfa_required").str("challenge_token")
}

// completes answers a challenge with a second factor.
func (s *service) completes(challenge string, proof ...any) answer {
	s.t.Helper()
	return s.enter(append([]any{"challenge_token", challenge}, proof...)...)
}

// TestSecondFactor: from its confirmation on, no log-in succeeds without the second factor, and
// nothing begins before.
func TestSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		other := s.actorOf(s.logIn(ada.email, password).is(200))
		if a := ada.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
		offered := ada.post("/auth/factors/totp", body()).is(201)
		key, err := otp.NewKeyFromURL(offered.str("uri"))
		if err != nil || key.Secret() != offered.str("secret") || key.Issuer() != "Guildhall" || key.AccountName() != ada.email || key.Digits() != otp.DigitsSix || key.Period() != 30 {
			t.Errorf("%v %s", err, offered.body)
		}
		if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(offered.str("secret")); err != nil || len(raw) != 20 {
			t.Errorf("%v, %d bytes", err, len(raw))
		}
		if svg := offered.str("qr_svg"); !strings.HasPrefix(svg, `<svg xmlns="http://www.w3.org/2000/svg"`) || len(svg) > 30_000 {
			t.Errorf("%d bytes: %.80s", len(svg), svg)
		}
		other.get("/auth/me").is(200)
		s.logIn(ada.email, password).is(200) // not confirmed yet
		phone, codes := ada.enrols()
		ada.post("/auth/factors/totp/"+offered.str("id")+"/confirm", body("otp", "123456")).is(404, "factor_not_found") // it was replaced
		if len(codes) != 10 {
			t.Errorf("%v", codes)
		}
		other.get("/auth/me").is(401, "invalid_token")
		ada.get("/auth/me").is(200)
		a := ada.get("/auth/factors").is(200)
		if a.str("factors.0.name") != "My phone" || a.str("factors.0.kind") != "totp" || a.str("factors.0.last_used_at") == "" || a.str("recovery_codes_left") != "10" {
			t.Errorf("%s", a.body)
		}
		s.mail(ada.email, "factor_added")

		sessions := "SELECT COUNT(*) FROM sessions"
		began := s.count(sessions)
		started := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'session.started'")
		refused := s.logIn(ada.email, password).is(403, "mfa_required")
		if refused.str("methods") != "[otp recovery_code]" || refused.str("expires_in") != "300" || refused.str("access_token") != "" || refused.header.Get("Set-Cookie") != "" {
			t.Errorf("%s", refused.body)
		}
		form := s.form("/auth/token", "grant_type", "password", "username", ada.email, "password", password)
		form.is(403, "mfa_required")
		if form.str("error") != "mfa_required" || form.str("challenge_token") == "" || form.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s", form.body)
		}
		if s.count(sessions) != began || s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'session.started'") != started {
			t.Error("a session began before the second factor")
		}
		challenge := refused.str("challenge_token")
		for _, route := range []string{"/auth/me", "/auth/sessions", "/auth/factors", "/organizations"} { // the challenge is no token
			s.do("GET", "/api/v1"+route, challenge, nil).is(401)
		}
		s.completes(challenge, "otp", "000000").is(401, "invalid_challenge")
		s.completes(challenge, "otp", "12345").is(422, "validation_failed")
		s.completes(challenge, "code", "12345678").is(401, "invalid_challenge")
		s.completes(s.ask("log_in", ada.email), "otp", phone.next()).is(401, "invalid_challenge") // a challenge of another purpose
		code := phone.next()
		in := s.completes(challenge, "otp", code[:3]+" "+code[3:]).is(200)
		ada = s.actorOf(in)
		ada.get("/auth/me").is(200)
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'session.started'"); n != started+1 {
			t.Errorf("%d log-ins are recorded, and there was one", n-started)
		}
		s.completes(challenge, "otp", phone.next()).is(401, "invalid_challenge") // consumed
		replayed := phone.next()
		s.completes(form.str("challenge_token"), "otp", replayed).is(200)
		s.completes(s.challenged(ada), "otp", replayed).is(401, "invalid_challenge")

		code = codes[0]
		s.completes(s.challenged(ada), "recovery_code", strings.ToLower(strings.ReplaceAll(code, "-", " "))).is(200)
		s.mail(ada.email, "recovery_code_used")
		s.completes(s.challenged(ada), "recovery_code", code).is(401, "invalid_challenge")
		if a := ada.get("/auth/factors").is(200); a.str("recovery_codes_left") != "9" {
			t.Errorf("%s", a.body)
		}
		s.later(6 * time.Minute)
		late := s.challenged(ada)
		s.later(5*time.Minute + time.Second)
		s.completes(late, "otp", phone.next()).is(401, "invalid_challenge")
		for _, secret := range append(codes, phone.secret, challenge) {
			for _, form := range []string{secret, strings.ReplaceAll(secret, "-", "")} {
				if found := s.inClear(form); len(found) > 0 {
					t.Errorf("%s is in %s", form, found)
				}
			}
		}
	}, withMailbox, logInByEmail)
}

// inClear returns the tables that have a text as it is, and the log if it does.
func (s *service) inClear(text string) (found []string) {
	s.t.Helper()
	for table, rows := range s.inputContents("user_totp", "user_recovery_codes", "user_passkeys", "user_identities", "challenges", "mail_outbox", "audit_events", "idempotency_keys", "rate_limits") {
		if strings.Contains(strings.Join(rows, "\n"), text) {
			found = append(found, table)
		}
	}
	if strings.Contains(s.log.String(), text) {
		found = append(found, "the log")
	}
	return found
}

// TestOneTimePasswords: a code is right for a step before and after its own, once, whoever asks
// at once.
func TestOneTimePasswords(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		phone, _ := ada.enrols()
		stepsAway := func(steps int) string { return phone.at(s.kernel.Now().Add(time.Duration(steps) * 30 * time.Second)) }
		for _, c := range []struct {
			steps int
			is    int
		}{{-2, 401}, {-1, 200}, {0, 200}, {1, 200}, {2, 401}} {
			s.later(10 * time.Minute)
			s.completes(s.challenged(ada), "otp", stepsAway(c.steps)).is(c.is)
		}
		s.later(10 * time.Minute)
		s.completes(s.challenged(ada), "otp", stepsAway(0)).is(200)
		s.completes(s.challenged(ada), "otp", stepsAway(-1)).is(401) // before one that was used

		s.later(10 * time.Minute)
		var challenges []string
		for range 8 {
			challenges = append(challenges, s.challenged(ada))
		}
		code := stepsAway(0)
		var wg sync.WaitGroup
		statuses := make([]int, len(challenges))
		for i, c := range challenges {
			wg.Go(func() { statuses[i] = s.completes(c, "otp", code).status })
		}
		wg.Wait()
		slices.Sort(statuses)
		if statuses[0] != 200 || statuses[1] != 401 {
			t.Errorf("one code, used by eight at once: %v", statuses)
		}
	})
}

// TestGuessingASecondFactor: five attempts for a challenge, and few for an account, whatever
// challenges it asks for.
func TestGuessingASecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		phone, _ := ada.enrols()
		challenge := s.challenged(ada)
		for range 5 {
			s.completes(challenge, "otp", "000000").is(401, "invalid_challenge")
		}
		s.completes(challenge, "otp", phone.next()).is(401, "invalid_challenge")
		s.mail(ada.email, "factor_guessed")
		tried := 0
		for range 20 {
			a := s.completes(s.challenged(ada), "otp", "000000")
			if a.status == 429 {
				break
			}
			tried++
			a.is(401, "invalid_challenge")
		}
		if tried > 6 { // ten for the account: one for the enrolment is forgiven
			t.Errorf("%d more guesses were judged", tried)
		}
		s.completes(s.challenged(ada), "otp", phone.next()).is(429)
		s.later(4 * time.Minute)
		s.completes(s.challenged(ada), "otp", phone.next()).is(200)
		events := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'log_in.failed' AND user_id = ?", ada.id)
		if events < tried+5 {
			t.Errorf("%d failures are recorded, of %d", events, tried+5)
		}
	}, withMailbox, rateLimited)
}

// longTokens lets a test wait without refreshing.
func longTokens(c *config.Config) { c.AccessTokenTTL = 24 * time.Hour }

func rateLimited(c *config.Config) { c.RateLimitEnabled = true }

// TestStepUpByFactor: whoever has a second factor proves it again for what matters, with the
// same token.
func TestStepUpByFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.verifiedPerson("Ada"), s.person("Grace")
		grace.joins(ada, false)
		change := func(a *actor) answer {
			return a.patch("/users/"+a.id+"/password", body("old_password", password, "new_password", password+"!"))
		}
		back := func(a *actor) {
			a.patch("/users/"+a.id+"/password", body("old_password", password+"!", "new_password", password)).is(204)
		}
		s.later(time.Hour)
		change(ada).is(204) // nobody asks a person without a factor
		back(ada)
		ada.post("/auth/factors/totp", body()).is(401, "step_up_required") // but for a new factor
		ada.post("/auth/step-up", body("password", password)).is(200)
		phone, codes := ada.enrols()
		change(ada).is(204)
		back(ada)
		s.later(time.Hour)
		for name, call := range map[string]func() answer{
			"password": func() answer { return change(ada) },
			"transfer": func() answer { return ada.post(ada.org("/transfer-ownership"), body("user_id", grace.id)) },
			"archive":  func() answer { return ada.post(ada.org("/archive"), body("reason", "Done.")) },
			"close":    func() answer { return ada.post("/users/"+ada.id+"/archive", body("reason", "Done.")) },
			"key":      func() answer { return ada.post(ada.org("/api-keys"), body("name", "ci", "scopes", []string{"read"})) },
			"factor":   func() answer { return ada.post("/auth/factors/totp", body()) },
			"rename":   func() answer { return ada.patch("/auth/factors/"+phone.id, body("name", "x")) },
			"remove":   func() answer { return ada.delete("/auth/factors/" + phone.id) },
			"codes":    func() answer { return ada.post("/auth/recovery-codes", body()) },
			"email":    func() answer { return ada.ask("change_email", "new_email", "ada@moved.example.com") },
		} {
			a := call().is(401, "step_up_required")
			if h := a.header.Get("WWW-Authenticate"); !strings.Contains(h, `error="insufficient_user_authentication"`) || !strings.Contains(h, `acr_values="aal2"`) || !strings.Contains(h, `max_age="600"`) {
				t.Errorf("%s: %s", name, h)
			}
		}
		ada.get("/auth/factors").is(200)
		refused := ada.post("/auth/step-up", body("password", password)).is(403, "mfa_required")
		if refused.str("methods") != "[otp recovery_code]" || refused.str("challenge_token") != "" {
			t.Errorf("%s", refused.body)
		}
		mailed := ada.ask("step_up").is(201).str("challenge_token")
		ada.post("/auth/step-up", body("challenge_token", mailed, "code", s.mail(ada.email, "step_up_code").code())).is(403, "mfa_required")
		ada.post("/auth/step-up", body("otp", "000000")).is(403, "wrong_otp")
		ada.post("/auth/step-up", body("recovery_code", strings.Repeat("ABCD-", 5)+"ABCD")).is(403, "wrong_recovery_code")
		a := ada.post("/auth/step-up", body("otp", phone.next())).is(200)
		if a.str("acr") != "aal2" || a.str("amr") != "[pwd otp]" {
			t.Errorf("%s", a.body)
		}
		change(ada).is(204)
		back(ada)
		s.exec("UPDATE sessions SET aal = 1 WHERE user_id = ?", ada.id)
		change(ada).is(401, "step_up_required") // recent, and too weak
		s.later(time.Hour)
		change(ada).is(401, "step_up_required")
		ada.post("/auth/step-up", body("recovery_code", codes[3])).is(200)
		ada.post("/auth/step-up", body("recovery_code", codes[3])).is(403, "wrong_recovery_code")
		ada.post(ada.org("/archive"), body("reason", "Done.")).is(200)
		grace.post("/auth/step-up", body("otp", phone.next())).is(403, "wrong_otp") // somebody else's
	}, withMailbox, longTokens)
}

// TestFactorsAreManaged: a second app, another name, removal, and new recovery codes.
func TestFactorsAreManaged(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		eve := s.person("Eve")
		ada.post("/auth/recovery-codes", body()).is(409, "no_factor")
		phone, codes := ada.enrols()
		tablet, more := ada.enrols()
		if len(more) != 0 {
			t.Errorf("the second factor gave recovery codes: %v", more)
		}
		if a := ada.patch("/auth/factors/"+tablet.id, body("name", "Tablet")).is(200); a.str("name") != "Tablet" {
			t.Errorf("%s", a.body)
		}
		for _, id := range []string{phone.id, "00000000-0000-0000-0000-000000000000"} {
			eve.patch("/auth/factors/"+id, body("name", "Mine")).is(404, "factor_not_found")
			eve.delete("/auth/factors/"+id).is(404, "factor_not_found")
			eve.post("/auth/factors/totp/"+id+"/confirm", body("otp", phone.next())).is(404, "factor_not_found")
		}
		s.completes(s.challenged(ada), "otp", tablet.next()).is(200)
		elsewhere := s.actorOf(s.completes(s.challenged(ada), "otp", phone.next()).is(200))
		fresh := listOf(ada.post("/auth/recovery-codes", body(), "Idempotency-Key", "once").is(201).value("recovery_codes"))
		if again := listOf(ada.post("/auth/recovery-codes", body(), "Idempotency-Key", "once").is(201).value("recovery_codes")); len(fresh) != 10 || again[0] == fresh[0] {
			t.Errorf("an answer with recovery codes was kept: %v %v", fresh, again)
		} else {
			fresh = again
		}
		s.mail(ada.email, "recovery_codes_replaced")
		s.completes(s.challenged(ada), "recovery_code", codes[1]).is(401, "invalid_challenge")
		s.completes(s.challenged(ada), "recovery_code", fresh[1]).is(200)

		ada.delete("/auth/factors/" + phone.id).is(204)
		s.mail(ada.email, "factor_removed")
		elsewhere.get("/auth/me").is(401, "invalid_token")
		s.completes(s.challenged(ada), "otp", phone.next()).is(401, "invalid_challenge")
		s.completes(s.challenged(ada), "otp", tablet.next()).is(200)
		ada.delete("/auth/factors/" + tablet.id).is(204)
		ada.delete("/auth/factors/"+tablet.id).is(404, "factor_not_found")
		if a := ada.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
		s.logIn(ada.email, password).is(200)
		if level := s.count("SELECT MAX(aal) FROM sessions WHERE user_id = ? AND revoked_at IS NULL", ada.id); level != 1 {
			t.Errorf("without a factor a session has level %d", level)
		}
		for range 10 {
			ada.enrols()
		}
		ada.post("/auth/factors/totp", body()).is(409, "too_many_factors")
	}, withMailbox)
}

// TestFactorPolicy: an organization asks its members for a second factor, from the next request
// on, there and nowhere else.
func TestFactorPolicy(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner := s.person("Owner")
		admin, member := s.person("Admin"), s.person("Member")
		inAdmin, inMember := admin.joins(owner, true), member.joins(owner, false)
		set := func(a *actor, mfa string, more ...any) answer {
			return a.put(owner.org("/security"), body(append([]any{"mfa", mfa}, more...)...))
		}
		if a := owner.get(owner.org("/security")).is(200); string(a.body) != `{"mfa":"off","from":null,"mfa_now":"off","members_without_factor":3}` {
			t.Errorf("%s", a.body)
		}
		set(owner, "everyone").is(403, "mfa_enrolment_required") // they would lock themselves out
		phone, _ := owner.enrols()
		set(inAdmin, "everyone").is(403, "insufficient_role")
		set(owner, "sometimes").is(422, "validation_failed")
		set(owner, "everyone", "from", s.kernel.Now().Add(-time.Hour)).is(422, "validation_failed")
		set(owner, "everyone", "from", s.kernel.Now().Add(100*24*time.Hour)).is(422, "validation_failed")

		allowed := func(a *actor, as string) {
			t.Helper()
			for range 3 { // also when the gate remembers them
				a.get(owner.org("/members")).is(200)
			}
			a.get("/users").is(200)
			if r := a.get("/auth/me", "X-Organization-ID", owner.organization).is(200); r.str("role") != as {
				t.Errorf("%s", r.body)
			}
		}
		refusedWith := func(a *actor, status int, code string) {
			t.Helper()
			for range 3 {
				r := a.get(owner.org("/members")).is(status, code)
				if h := r.header.Get("WWW-Authenticate"); status == 401 && (!strings.Contains(h, "insufficient_user_authentication") || !strings.Contains(h, `acr_values="aal2"`) || strings.Contains(h, "max_age")) {
					t.Errorf("%s", h)
				}
			}
			a.get("/users").is(status, code)
			a.get("/auth/me", "X-Organization-ID", owner.organization).is(status, code)
			a.get("/auth/me").is(200)
			if a.id != owner.id {
				a.get("/users/"+owner.id).is(404, "user_not_found")
			}
			a.get(owner.org("/security")).is(200)
			a.post("/auth/switch-organization", body("organization_id", owner.organization)).is(status, code)
			if standing := a.get("/auth/me/organizations").is(200); !strings.Contains(string(standing.body), `"standing":"`+code+`"`) {
				t.Errorf("%s", standing.body)
			}
			if own := a.organization; own != owner.organization {
				a.get("/organizations/" + own + "/members").is(200)
			}
			// A refresh goes on, and takes nobody in from another organization.
			a.refresh = s.refresh(a.refresh).is(200).str("refresh_token")
			s.refreshInto(owner.organization, a.refresh).is(status, code)
		}
		allowed(inAdmin, "admin")
		allowed(inMember, "member")
		if a := set(owner, "admins").is(200); a.str("mfa") != "admins" || a.str("members_without_factor") != "2" {
			t.Errorf("%s", a.body)
		}
		allowed(owner, "owner")
		allowed(inMember, "member")
		refusedWith(inAdmin, 403, "mfa_enrolment_required")
		set(owner, "everyone").is(200)
		allowed(owner, "owner")
		admin.get(owner.org("/security")).is(200)
		member = s.logInAgain(member)
		refusedWith(member, 403, "mfa_enrolment_required")
		inMemberBefore := s.actorOf(s.logIn(member.email, password).is(200)) // log-ins themselves work
		s.logIn(member.email, password, "organization_id", owner.organization).is(403, "mfa_enrolment_required")

		tablet, _ := member.enrols()
		inMemberBefore.get("/auth/me").is(401, "invalid_token")
		allowed(member.in(owner), "member")

		// A session that proved too little of a person who has a factor.
		s.exec("UPDATE sessions SET aal = 1 WHERE user_id = ?", owner.id)
		refusedWith(owner, 401, "step_up_required")
		owner.post("/auth/step-up", body("otp", phone.next())).is(200)
		allowed(owner, "owner")
		again := s.actorOf(s.completes(s.challenged(member), "otp", tablet.next()).is(200))
		allowed(again.in(owner), "member")

		member.delete("/auth/factors/" + tablet.id).is(204) // the last one
		refusedWith(member, 403, "mfa_enrolment_required")
		member.delete(owner.org("/members/" + member.id)).is(204) // whoever does not want to may leave

		owner.post("/auth/step-up", body("otp", phone.next())).is(200)
		start := s.kernel.Now().Add(time.Hour)
		if a := set(owner, "admins", "from", start).is(200); a.str("mfa") != "admins" || a.str("mfa_now") != "everyone" {
			t.Errorf("%s", a.body)
		}
		admin = s.logInAgain(admin)
		admin.get(owner.org("/members")).is(403, "mfa_enrolment_required") // what was in force stays until then
		set(owner, "off").is(200)
		set(owner, "everyone", "from", start).is(200)
		admin = s.logInAgain(admin)
		allowed(admin.in(owner), "admin")
		s.later(time.Hour + time.Second)
		admin = s.logInAgain(admin)
		admin.get(owner.org("/members")).is(403, "mfa_enrolment_required")
		owner = s.actorOf(s.completes(s.challenged(owner), "otp", phone.next()).is(200))
		set(owner, "off").is(200)
		admin.get(owner.org("/members")).is(200)
		events := owner.get(owner.org("/audit-events?action=organization.security_changed")).is(200)
		if n := len(events.list()); n != 6 {
			t.Errorf("%d changes are recorded, and there were 6", n)
		}
	})
}

func (a *actor) put(path string, body any, headers ...string) answer {
	a.s.t.Helper()
	return a.s.do(http.MethodPut, "/api/v1"+path, a.access, body, headers...)
}

// TestFactorPolicyAndInvitations: an organization that asks for a second factor takes in whoever
// has proved one, and whoever registers, and a refusal uses nothing up.
func TestFactorPolicyAndInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, ada := s.person("Owner"), s.verifiedPerson("Ada")
		owner.enrols()
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		owner.post(owner.org("/invitations"), body("email", ada.email)).is(201)
		link := body("token", s.mail(ada.email, "invitation").link())
		ada.post("/invitations/accept", link).is(403, "mfa_enrolment_required")
		phone, _ := ada.enrols()
		s.exec("UPDATE sessions SET aal = 1 WHERE user_id = ?", ada.id)
		ada.post("/invitations/accept", link).is(401, "step_up_required")
		ada.post("/auth/step-up", body("otp", phone.next())).is(200)
		ada.post("/invitations/accept", link).is(200)
		ada.in(owner).get(owner.org("/members")).is(200)
	}, withMailbox)
}

// TestFactorPolicyAndKeys: a key counts as the session that made it, and a program needs no
// second factor.
func TestFactorPolicyAndKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner := s.person("Owner")
		before := owner.makesKey("scopes", []string{"read", "manage"}).str("key")
		robot := owner.post(owner.org("/service-accounts"), body("name", "robot")).is(201)
		robots := owner.post(owner.org("/api-keys"), body("name", "ci", "scopes", []string{"read"}, "user_id", robot.str("id"))).is(201).str("key")
		phone, _ := owner.enrols()
		after := owner.makesKey("scopes", []string{"read", "manage"}).str("key")
		_ = phone
		works := func(key string, is int, code ...string) {
			t.Helper()
			s.do("GET", "/api/v1"+owner.org("/members"), key, nil).is(is, code...)
		}
		for _, key := range []string{before, robots, after} {
			works(key, 200)
		}
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		works(before, 403, "key_without_factor")
		s.do("PATCH", "/api/v1"+owner.org(""), before, body("name", "x")).is(403, "key_without_factor")
		works(robots, 200)
		works(after, 200)
		s.do("PATCH", "/api/v1"+owner.org(""), after, body("name", "Engines")).is(200)
	})
}

// TestFactorPolicyInTheFeed: programs that verify tokens themselves refuse whom the policy refuses.
func TestFactorPolicyInTheFeed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, grace := s.person("Owner"), s.person("Grace")
		inOwner := grace.joins(owner, false)
		owner.enrols()
		key := owner.byKey(owner.makesKey())
		next := key.revocations("").is(200).feed().Next
		news := func() feedOf {
			f := key.revocations("?after=" + next).is(200).feed()
			next = f.Next
			return f
		}
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		if f := news(); len(f.Items) != 1 || f.Items[0].OrganizationID != owner.organization || f.Items[0].UserID != "" {
			t.Errorf("after the policy: %+v", f)
		}
		s.later(5 * time.Second)
		refreshed := s.actorOf(s.refresh(inOwner.refresh).is(200))
		_, payload := claims(t, refreshed.access)
		if f := news(); len(f.Items) == 0 || f.Items[len(f.Items)-1].SessionID != payload["sid"] {
			t.Errorf("after a refresh with one factor: %+v", f)
		}
		_, payload = claims(t, s.refresh(owner.refresh).is(200).str("access_token"))
		if f := news(); strings.Contains(fmt.Sprint(f.Items), fmt.Sprint(payload["sid"])) {
			t.Errorf("after a refresh with two factors: %+v", f)
		}
		owner.put(owner.org("/security"), body("mfa", "admins")).is(200)
		s.later(5 * time.Second)
		news()
		owner.post(owner.org("/admins"), body("user_id", grace.id)).is(201)
		if f := news(); len(f.Items) == 0 || f.Items[len(f.Items)-1].UserID != grace.id {
			t.Errorf("after a promotion: %+v", f)
		}
	})
}

// TestMailboxAndFactors: a mailbox resets a password and does not replace the second factor;
// only where nobody had proved the mailbox, everything that was set up before ends.
func TestMailboxAndFactors(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		phone, _ := ada.enrols()
		s.ask("reset_password", ada.email)
		s.public("/auth/password-reset", "link_token", s.mail(ada.email, "reset_password").link(), "new_password", password).is(204)
		s.completes(s.challenged(ada), "otp", phone.next()).is(200)
		token := s.ask("log_in", ada.email)
		refused := s.enter("challenge_token", token, "code", s.mail(ada.email, "log_in_code").code()).is(403, "mfa_required")
		ada = s.actorOf(s.completes(refused.str("challenge_token"), "otp", phone.next()).is(200))
		if amr := fmt.Sprint(s.table("SELECT amr, aal FROM sessions WHERE user_id = ? AND revoked_at IS NULL ORDER BY id DESC LIMIT 1", ada.id)); !strings.Contains(amr, "email otp") || !strings.Contains(amr, "2") {
			t.Errorf("%s", amr)
		}

		// "This wasn't me" removes the factors since that notice, and no earlier one.
		s.later(time.Minute)
		thiefs, _ := ada.enrols()
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "factor_added").link()).is(204)
		s.ask("reset_password", ada.email)
		s.public("/auth/password-reset", "link_token", s.mail(ada.email, "reset_password").link(), "new_password", password).is(204)
		s.completes(s.challenged(ada), "otp", thiefs.next()).is(401, "invalid_challenge")
		s.completes(s.challenged(ada), "otp", phone.next()).is(200)

		squatter := s.person("Grace") // whoever registered the address did not prove it
		squatters, _ := squatter.enrols()
		s.ask("reset_password", squatter.email)
		s.public("/auth/password-reset", "link_token", s.mail(squatter.email, "reset_password").link(), "new_password", password).is(204)
		grace := s.actorOf(s.logIn(squatter.email, password).is(200))
		if a := grace.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
		_ = squatters
		second := s.person("Eve")
		second.enrols()
		s.ask("log_in", second.email)
		s.enter("link_token", s.mail(second.email, "log_in_code").link()).is(200)
	}, withMailbox, logInByEmail)
}

// TestAuthenticatorSecretsAreEncryptedAgain: after a change of the secrets, the retired one can be
// removed once a process has started with both.
func TestAuthenticatorSecretsAreEncryptedAgain(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		adas, codes := ada.enrols()
		graces, _ := grace.enrols()
		const another = "another-refresh-key-for-tests-of-32-bytes-or-more"
		on := func(retired ...config.Secret) *service {
			return start(t, s.kernel.Config.DatabaseURL.Reveal(), func(c *config.Config) { c.JWTRefreshSecretKey, c.RetiredRefreshKeys = another, retired })
		}
		tooSoon := on()
		tooSoon.skew.Store(s.skew.Load())
		adas.s = tooSoon
		tooSoon.completes(tooSoon.challenged(ada), "otp", adas.next()).is(503, "otp_unavailable")
		if !strings.Contains(tooSoon.log.String(), "encrypted with another secret") {
			t.Error("the log does not say why")
		}
		tooSoon.completes(tooSoon.challenged(ada), "recovery_code", codes[0]).is(200)

		both := on(s.kernel.Config.JWTRefreshSecretKey)
		ctx, cancel := context.WithCancel(context.Background())
		before := fmt.Sprint(s.table("SELECT secret FROM user_totp ORDER BY id"))
		done := make(chan error, 1)
		go func() { done <- auth.NewModule(both.auth).Workers()[0].Run(ctx) }()
		eventually(t, "the secrets are encrypted again", func() bool {
			now := s.table("SELECT secret FROM user_totp ORDER BY id")
			return !strings.Contains(before, now[0][0]) && !strings.Contains(before, now[1][0])
		})
		cancel() // perhaps between the last commit and its answer
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		after := on()
		after.skew.Store(s.skew.Load())
		for who, app := range map[*actor]authenticatorApp{ada: adas, grace: graces} {
			app.s = after
			after.completes(after.challenged(who), "otp", app.next()).is(200)
		}
	})
}

// TestLostFactors: whoever lost every factor gets in after a day, unless anybody with a session, a
// factor or the mailbox stops it.
func TestLostFactors(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		app, codes := ada.enrols()
		lost := func(a *actor, secret string) answer {
			token := s.ask("recover_factors", a.email)
			return s.public("/auth/factor-recovery", "challenge_token", token, "code", s.mail(a.email, "recover_factors").code(), "password", secret)
		}
		token := s.ask("recover_factors", ada.email)
		code := s.mail(ada.email, "recover_factors").code()
		s.public("/auth/factor-recovery", "challenge_token", token, "code", "00000000", "password", password).is(401, "invalid_challenge")
		s.public("/auth/factor-recovery", "challenge_token", token, "code", code, "password", "a wrong guess").is(401, "invalid_credentials")
		s.public("/auth/password-reset", "challenge_token", token, "code", code, "new_password", newPassword).is(401, "invalid_challenge")
		s.enter("challenge_token", token, "code", code).is(401, "invalid_challenge")
		started := s.public("/auth/factor-recovery", "challenge_token", token, "code", code, "password", password).is(200)
		due := started.str("recovers_at")
		s.public("/auth/factor-recovery", "challenge_token", token, "code", code, "password", password).is(401, "invalid_challenge")
		if a := ada.get("/auth/factors").is(200); a.str("recovers_at") != due {
			t.Errorf("%s, due %s", a.body, due)
		}
		waits := func(who *actor) {
			t.Helper()
			s.logIn(who.email, password).is(403, "mfa_required")
		}
		stopped := func(how string) {
			t.Helper()
			s.later(25 * time.Hour)
			if refused := s.logIn(ada.email, password); refused.status != 403 {
				t.Errorf("%s did not stop it: %d %s", how, refused.status, refused.body)
			}
		}
		waits(ada)
		s.later(23 * time.Hour)
		waits(ada)
		ada.delete("/auth/factor-recovery").is(204)
		ada.delete("/auth/factor-recovery").is(204)
		stopped("a session")
		lost(ada, password).is(200)
		s.completes(s.challenged(ada), "otp", app.next()).is(200)
		stopped("the factor")
		lost(ada, password).is(200)
		s.completes(s.challenged(ada), "recovery_code", codes[0]).is(200)
		stopped("a recovery code")
		lost(ada, password).is(200)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "factor_recovery_started").link()).is(204)
		s.ask("reset_password", ada.email)
		s.public("/auth/password-reset", "link_token", s.mail(ada.email, "reset_password").link(), "new_password", password).is(204)
		stopped("the mailbox")

		lost(ada, password).is(200)
		s.later(24*time.Hour + time.Second + 7*24*time.Hour)
		waits(ada) // too late
		lost(ada, password).is(200)
		s.later(24*time.Hour + time.Second)
		in := s.actorOf(s.logIn(ada.email, password).is(200))
		if a := in.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
		s.mail(ada.email, "factors_recovered")
		for action, n := range map[string]int{"factors.recovery_started": 6, "factors.recovery_cancelled": 3, "factors.recovered": 1} {
			if got := s.count("SELECT COUNT(*) FROM audit_events WHERE action = ? AND user_id = ?", action, ada.id); got != n {
				t.Errorf("%s is recorded %d times, want %d", action, got, n)
			}
		}
		if level := s.count("SELECT MAX(aal) FROM sessions WHERE user_id = ? AND revoked_at IS NULL", ada.id); level != 1 {
			t.Errorf("level %d", level)
		}

		// Nobody else's ends with it, and who has none gets no mail.
		grace := s.verifiedPerson("Grace")
		grace.enrols()
		s.challenged(grace)
		before := len(s.mails(in.email))
		s.ask("recover_factors", in.email)
		if after := len(s.mails(in.email)); after != before {
			t.Error("a person without factors got a code to recover them")
		}
		s.ask("recover_factors", "nobody@example.com")
		owner := s.person("Owner") // an admin has no way to do it
		grace.joins(owner, false)
		owner.delete("/users/"+grace.id+"/factor-recovery").is(404, "route_not_found")
		if out, status := s.command("", "admin", "reset-factors", grace.email); status != 0 || !strings.Contains(out, "no second factor") {
			t.Errorf("reset-factors: %d %s", status, out)
		}
		s.logIn(grace.email, password).is(200)
		if out, status := s.command("", "admin", "reset-factors", grace.email); status == 0 {
			t.Errorf("twice: %s", out)
		}
	}, withMailbox, logInByEmail, func(c *config.Config) { c.AccessTokenTTL, c.RefreshTokenTTL = 90*24*time.Hour, 100*24*time.Hour })
}

// TestPasswordsOfARecoveryAreCounted: whoever reads the mailbox does not guess the password there.
func TestPasswordsOfARecoveryAreCounted(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		ada.enrols()
		for range 2 {
			token := s.ask("recover_factors", ada.email)
			code := s.mail(ada.email, "recover_factors").code()
			for range 4 {
				if s.public("/auth/factor-recovery", "challenge_token", token, "code", code, "password", "a wrong guess").status == 429 {
					return
				}
			}
		}
		t.Error("eight guesses were judged")
	}, withMailbox, rateLimited)
}
