package main

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/uuid"

	"guildhall/platform/config"
)

// withDomain gives the service a domain for passkeys, and no mail.
func withDomain(c *config.Config) { c.PublicURL = "https://id.example.com" }

// securityKey is an authenticator with one passkey, and the browser that talks to it.
type securityKey struct {
	s       *service
	id      string // of the factor
	site    virtualwebauthn.RelyingParty
	device  virtualwebauthn.Authenticator
	passkey virtualwebauthn.Credential
}

func (s *service) newKey() *securityKey {
	return &securityKey{
		s: s, site: virtualwebauthn.RelyingParty{Name: "Guildhall", ID: "id.example.com", Origin: "https://id.example.com"},
		device: virtualwebauthn.NewAuthenticator(), passkey: newPasskey(),
	}
}

// newPasskey returns a key pair. The library leaves out leading zeros of the public key, which no
// authenticator does, so one of 128 of its keys is malformed.
func newPasskey() virtualwebauthn.Credential {
	const whole = 77 // bytes of a key on the curve P-256 (RFC 9053 §7.1.1)
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == whole {
			return c
		}
	}
}

func publicKey(a answer) string {
	text, _ := json.Marshal(a.value("public_key"))
	return string(text)
}

func parsed(text string) (v map[string]any) {
	_ = json.Unmarshal([]byte(text), &v)
	return v
}

// creates answers the options for a new passkey.
func (k *securityKey) creates(asked answer) map[string]any {
	k.s.t.Helper()
	options, err := virtualwebauthn.ParseAttestationOptions(publicKey(asked))
	if err != nil {
		k.s.t.Fatalf("%v: %s", err, asked.body)
	}
	k.device.Options.UserHandle = []byte(options.UserID)
	return parsed(virtualwebauthn.CreateAttestationResponse(k.site, k.device, k.passkey, *options))
}

// signs answers the options for a passkey. Its counter rises each time.
func (k *securityKey) signs(asked answer) map[string]any {
	k.s.t.Helper()
	options, err := virtualwebauthn.ParseAssertionOptions(publicKey(asked))
	if err != nil {
		k.s.t.Fatalf("%v: %s", err, asked.body)
	}
	k.passkey.Counter++
	return parsed(virtualwebauthn.CreateAssertionResponse(k.site, k.device, k.passkey, *options))
}

// addsPasskey sets a passkey up with a challenge that was asked for.
func (a *actor) addsPasskey(k *securityKey, asked answer) answer {
	a.s.t.Helper()
	return a.post("/auth/factors/passkeys", body("challenge_token", asked.str("challenge_token"), "credential", k.creates(asked), "name", "My laptop"))
}

// hasPasskey sets a new passkey up and returns it with the recovery codes, if these are new.
func (a *actor) hasPasskey() (*securityKey, []any) {
	a.s.t.Helper()
	k := a.s.newKey()
	made := a.addsPasskey(k, a.ask("enrol_passkey").is(201)).is(201)
	k.id = made.str("id")
	return k, listOf(made.value("recovery_codes"))
}

// asksForAnyPasskey asks for a log-in with a passkey alone.
func (s *service) asksForAnyPasskey() answer {
	s.t.Helper()
	return s.public("/auth/challenges", "purpose", "log_in", "method", "passkey").is(201)
}

// presents answers a challenge with a passkey.
func (s *service) presents(k *securityKey, asked answer) answer {
	s.t.Helper()
	return s.enter("challenge_token", asked.str("challenge_token"), "credential", k.signs(asked))
}

// TestPasskeys: a passkey logs in on its own, is a second factor, and renews a proof, without
// any mail.
func TestPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		other := s.actorOf(s.logIn(ada.email, password).is(200))
		asked := ada.ask("enrol_passkey").is(201)
		if asked.str("expires_in") != "300" || asked.str("public_key.rp.id") != "id.example.com" || asked.str("public_key.user.name") != ada.email ||
			asked.str("public_key.authenticatorSelection.residentKey") != "required" || asked.str("public_key.authenticatorSelection.userVerification") != "required" {
			t.Errorf("%s", asked.body)
		}
		k := s.newKey()
		made := ada.addsPasskey(k, asked).is(201)
		if len(listOf(made.value("recovery_codes"))) != 10 || made.str("kind") != "passkey" || made.str("name") != "My laptop" || made.value("last_used_at") != nil {
			t.Errorf("%s", made.body)
		}
		other.get("/auth/me").is(401, "invalid_token")
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? AND revoked_at IS NULL", ada.id); strings.Join(session[0], " ") != "pwd pop mfa 2" {
			t.Errorf("%v", session)
		}

		// On its own, from two steps without an email address.
		asked = s.asksForAnyPasskey()
		if asked.str("public_key.userVerification") != "required" || asked.value("public_key.allowCredentials") != nil || asked.str("public_key.rpId") != "id.example.com" {
			t.Errorf("%s", asked.body)
		}
		ada = s.actorOf(s.presents(k, asked).is(200))
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT 1", ada.id); strings.Join(session[0], " ") != "pop mfa 2" {
			t.Errorf("%v", session)
		}
		if a := ada.get("/auth/factors").is(200); a.str("factors.0.kind") != "passkey" || a.str("factors.0.last_used_at") == "" || a.value("factors.1") != nil {
			t.Errorf("%s", a.body)
		}

		// As the second factor: then possession is enough.
		refused := s.logIn(ada.email, password).is(403, "mfa_required")
		if refused.str("methods") != "[passkey recovery_code]" || refused.str("public_key.userVerification") != "preferred" || len(listOf(refused.value("public_key.allowCredentials"))) != 1 {
			t.Errorf("%s", refused.body)
		}
		k.device.Options.UserNotVerified = true
		s.presents(k, refused).is(200)
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT 1", ada.id); strings.Join(session[0], " ") != "pwd pop 2" {
			t.Errorf("%v", session)
		}
		k.device.Options.UserNotVerified = false
		byForm := s.form("/auth/token", "grant_type", "password", "username", ada.email, "password", password).is(403, "mfa_required")
		text, _ := json.Marshal(k.signs(byForm)) // a form has the text
		s.form("/auth/token", "grant_type", "challenge", "challenge_token", byForm.str("challenge_token"), "credential", string(text)).is(200)
		s.form("/auth/token", "grant_type", "challenge", "challenge_token", byForm.str("challenge_token"), "credential", "[1]").is(422, "validation_failed")

		// As a step-up.
		s.later(time.Hour)
		ada.delete("/auth/factors/"+made.str("id")).is(401, "step_up_required")
		ada.ask("enrol_passkey").is(401, "step_up_required")
		if a := ada.post("/auth/step-up", body("password", password)).is(403, "mfa_required"); a.str("methods") != "[passkey recovery_code]" {
			t.Errorf("%s", a.body)
		}
		asked = ada.ask("step_up", "method", "passkey").is(201)
		ada.post("/auth/step-up", body("credential", k.signs(asked))).is(422, "validation_failed")
		if a := ada.post("/auth/step-up", body("challenge_token", asked.str("challenge_token"), "credential", k.signs(asked))).is(200); a.str("acr") != "aal2" || a.str("amr") != "[pop mfa]" {
			t.Errorf("%s", a.body)
		}

		if a := ada.patch("/auth/factors/"+made.str("id"), body("name", "Old laptop")).is(200); a.str("name") != "Old laptop" || a.str("kind") != "passkey" {
			t.Errorf("%s", a.body)
		}
		phone, codes := ada.enrols()
		if len(codes) != 0 {
			t.Errorf("the second factor gave recovery codes: %v", codes)
		}
		if a := s.logIn(ada.email, password).is(403, "mfa_required"); a.str("methods") != "[otp passkey recovery_code]" {
			t.Errorf("%s", a.body)
		}
		ada.delete("/auth/factors/" + made.str("id")).is(204)
		s.presents(k, s.asksForAnyPasskey()).is(401, "invalid_challenge")
		if a := s.logIn(ada.email, password).is(403, "mfa_required"); a.str("methods") != "[otp recovery_code]" || a.value("public_key") != nil {
			t.Errorf("%s", a.body)
		}
		ada.ask("step_up", "method", "passkey").is(409, "no_passkey")
		ada.delete("/auth/factors/" + phone.id).is(204)
		s.logIn(ada.email, password).is(200)
		if a := ada.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
		for range 9 {
			ada.hasPasskey()
		}
		last := ada.ask("enrol_passkey").is(201)
		ada.enrols()
		ada.addsPasskey(s.newKey(), last).is(409, "too_many_factors")
		ada.ask("enrol_passkey").is(409, "too_many_factors")
		ada.post("/auth/factors/totp", body()).is(409, "too_many_factors")
	}, withDomain, longTokens)
}

// TestTrustPasskeys: 88. Whatever is wrong with a passkey, nobody logs in.
func TestTrustPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		k, _ := ada.hasPasskey()
		hers, _ := eve.hasPasskey()

		replayed := s.asksForAnyPasskey()
		once := k.signs(replayed)
		s.enter("challenge_token", replayed.str("challenge_token"), "credential", once).is(200)
		s.enter("challenge_token", replayed.str("challenge_token"), "credential", once).is(401, "invalid_challenge")
		s.enter("challenge_token", s.asksForAnyPasskey().str("challenge_token"), "credential", once).is(401, "invalid_challenge")

		// Many answers to one challenge at once, each of them right.
		for _, ask := range []func() answer{s.asksForAnyPasskey, func() answer { return s.logIn(ada.email, password).is(403, "mfa_required") }} {
			asked := ask()
			answers := make([]map[string]any, 4)
			for i := range answers {
				answers[i] = k.signs(asked)
			}
			statuses := make([]int, len(answers))
			var wg sync.WaitGroup
			for i, credential := range answers {
				wg.Go(func() {
					statuses[i] = s.enter("challenge_token", asked.str("challenge_token"), "credential", credential).status
				})
			}
			wg.Wait()
			slices.Sort(statuses)
			if statuses[0] != 200 || statuses[1] != 401 {
				t.Errorf("one challenge, answered by four at once: %v", statuses)
			}
		}

		for name, forge := range map[string]func(k *securityKey){
			"wrong origin":    func(k *securityKey) { k.site.Origin = "https://evil.example.com" },
			"wrong port":      func(k *securityKey) { k.site.Origin = "https://id.example.com:8443" },
			"wrong domain":    func(k *securityKey) { k.site.ID = "example.com" },
			"not verified":    func(k *securityKey) { k.device.Options.UserNotVerified = true },
			"not present":     func(k *securityKey) { k.device.Options.UserNotPresent = true },
			"another account": func(k *securityKey) { id := uuid.MustParse(eve.id); k.device.Options.UserHandle = id[:] },
			"no account":      func(k *securityKey) { k.device.Options.UserHandle = nil },
			"another key":     func(k *securityKey) { k.passkey.Key = newPasskey().Key },
			"unknown key":     func(k *securityKey) { k.passkey.ID = []byte("unknown") },
			"now backed up":   func(k *securityKey) { k.device.Options.BackupEligible = true },
		} {
			forged := *k
			forge(&forged)
			if a := s.presents(&forged, s.asksForAnyPasskey()); a.status != 401 || a.str("code") != "invalid_challenge" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			if name == "wrong origin" || name == "wrong domain" || name == "not verified" || name == "not present" {
				fresh := s.newKey()
				forge(fresh)
				if a := eve.addsPasskey(fresh, eve.ask("enrol_passkey").is(201)); a.status != 401 || a.str("code") != "invalid_challenge" {
					t.Errorf("%s, at the registration: %d %s", name, a.status, a.body)
				}
			}
		}
		s.enter("challenge_token", s.asksForAnyPasskey().str("challenge_token"), "credential", body()).is(401, "invalid_challenge")
		s.enter("challenge_token", s.asksForAnyPasskey().str("challenge_token"), "otp", "123456").is(401, "invalid_challenge")
		s.enter("challenge_token", s.asksForAnyPasskey().str("challenge_token"), "code", "12345678").is(401, "invalid_challenge")

		// Somebody else's passkey, or one for another purpose, or of another session.
		s.presents(hers, s.logIn(ada.email, password).is(403, "mfa_required")).is(401, "invalid_challenge")
		stepUp := ada.ask("step_up", "method", "passkey").is(201)
		s.presents(k, stepUp).is(401, "invalid_challenge")
		again := s.actorOf(s.presents(k, s.asksForAnyPasskey()).is(200))
		for _, as := range []*actor{again, eve} {
			as.post("/auth/step-up", body("challenge_token", stepUp.str("challenge_token"), "credential", k.signs(stepUp))).is(401, "invalid_challenge")
		}
		ada.post("/auth/step-up", body("challenge_token", stepUp.str("challenge_token"), "credential", hers.signs(stepUp))).is(401, "invalid_challenge")
		ada.post("/auth/step-up", body("challenge_token", stepUp.str("challenge_token"), "credential", k.signs(stepUp))).is(200)
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "enrol_passkey")).is(401, "authentication_required")
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "step_up", "method", "passkey")).is(401, "authentication_required")
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "reset_password", "method", "passkey", "email", ada.email)).is(422, "validation_failed")
		ada.ask("enrol_passkey", "method", "email").is(422, "validation_failed")
		enrol := ada.ask("enrol_passkey").is(201)
		eve.addsPasskey(s.newKey(), enrol).is(401, "invalid_challenge")
		again.addsPasskey(s.newKey(), enrol).is(401, "invalid_challenge")
		eve.addsPasskey(k, eve.ask("enrol_passkey").is(201)).is(409, "passkey_exists")
		ada.addsPasskey(s.newKey(), enrol).is(201)
		ada.addsPasskey(s.newKey(), enrol).is(401, "invalid_challenge")
		eve.patch("/auth/factors/"+k.id, body("name", "Mine")).is(404, "factor_not_found")
		eve.delete("/auth/factors/"+k.id).is(404, "factor_not_found")

		late := s.asksForAnyPasskey()
		s.later(5*time.Minute + time.Second)
		s.presents(k, late).is(401, "invalid_challenge")
	}, withDomain, longTokens)
}

// TestCopiedPasskey: a counter that goes back is refused and recorded, wherever the passkey is
// used. One that always is zero, as of synchronized passkeys, is none.
func TestCopiedPasskey(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		k, _ := ada.hasPasskey()
		copied := *k
		s.presents(k, s.asksForAnyPasskey()).is(200)
		s.presents(k, s.asksForAnyPasskey()).is(200)
		s.presents(&copied, s.asksForAnyPasskey()).is(401, "invalid_challenge")
		s.presents(&copied, s.logIn(ada.email, password).is(403, "mfa_required")).is(401, "invalid_challenge") // the same counter
		copied.passkey.Counter = 0
		asked := ada.ask("step_up", "method", "passkey").is(201)
		ada.post("/auth/step-up", body("challenge_token", asked.str("challenge_token"), "credential", copied.signs(asked))).is(401, "invalid_challenge")
		events := ada.get("/users/" + ada.id + "/audit-events?action=passkey.refused").is(200).list()
		if len(events) != 3 {
			t.Fatalf("%d events, and there were 3 refusals", len(events))
		}
		if details, _ := events[0]["details"].(map[string]any); details["factor_id"] != k.id {
			t.Errorf("%v", events[0])
		}
		s.presents(k, s.asksForAnyPasskey()).is(200)

		synced := s.newKey()
		synced.device.Options.BackupEligible = true
		ada.addsPasskey(synced, ada.ask("enrol_passkey").is(201)).is(201)
		isBackedUp := func() int {
			return s.count("SELECT COUNT(*) FROM user_passkeys WHERE user_id = ? AND backed_up AND sign_count = 0", ada.id)
		}
		if isBackedUp() != 0 {
			t.Error("the passkey counts as backed up, and is not yet")
		}
		if list := ada.get("/auth/factors").is(200).object()["factors"].([]any); list[len(list)-1].(map[string]any)["backed_up"] != false {
			t.Errorf("%v", list)
		}
		synced.device.Options.BackupState = true
		for range 2 {
			asked := s.asksForAnyPasskey()
			synced.passkey.Counter-- // signs raises it
			s.presents(synced, asked).is(200)
		}
		if isBackedUp() != 1 {
			t.Error("the passkey does not count as backed up")
		}
		if list := ada.get("/auth/factors").is(200).object()["factors"].([]any); list[len(list)-1].(map[string]any)["backed_up"] != true {
			t.Errorf("%v", list)
		}
	}, withDomain)
}

// TestGuessesDoNotLockPasskeysOut: guesses of a second factor end the account's budget, and the
// passkey still logs in, within the attempts of its challenge.
func TestGuessesDoNotLockPasskeysOut(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		k, _ := ada.hasPasskey()
		ada.enrols()
		guesses := 0
		for s.completes(s.challenged(ada), "otp", "000000").status == 401 && guesses < 20 {
			guesses++
		}
		if guesses == 20 {
			t.Error("guesses are not limited")
		}
		asked := s.logIn(ada.email, password).is(403, "mfa_required")
		s.presents(k, asked).is(200)
		s.completes(s.challenged(ada), "otp", "000000").is(429) // it did not restore the budget

		asked = s.logIn(ada.email, password).is(403, "mfa_required")
		for range 5 {
			s.completes(asked.str("challenge_token"), "credential", body()).is(401, "invalid_challenge")
		}
		s.presents(k, asked).is(401, "invalid_challenge")
	}, withDomain, rateLimited)
}

// TestDisavowedPasskeys: "this wasn't me" removes the passkeys since that notice, and the proof
// of a mailbox those of whoever registered its address.
func TestDisavowedPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		k, _ := ada.hasPasskey()
		s.later(time.Minute)
		thiefs, _ := ada.hasPasskey()
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "factor_added").link()).is(204)
		s.presents(thiefs, s.asksForAnyPasskey()).is(401, "invalid_challenge")
		ada = s.actorOf(s.presents(k, s.asksForAnyPasskey()).is(200))
		ada.get("/auth/me").is(200)

		squatter := s.person("Grace")
		squatters, _ := squatter.hasPasskey()
		s.ask("reset_password", squatter.email)
		s.public("/auth/password-reset", "link_token", s.mail(squatter.email, "reset_password").link(), "new_password", password).is(204)
		s.presents(squatters, s.asksForAnyPasskey()).is(401, "invalid_challenge")
		grace := s.actorOf(s.logIn(squatter.email, password).is(200))
		if a := grace.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
			t.Errorf("%s", a.body)
		}
	}, withMailbox)
}

// TestPasskeyOfAClosedAccount: a passkey opens no account that is closed or suspended.
func TestPasskeyOfAClosedAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		k, _ := ada.hasPasskey()
		root.post("/users/"+ada.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
		s.presents(k, s.asksForAnyPasskey()).is(403, "account_suspended")
		root.post("/users/"+ada.id+"/activate", body("scope", "account")).is(200)
		s.presents(k, s.asksForAnyPasskey()).is(200)
		root.post("/users/"+ada.id+"/archive", body("reason", "x")).is(200)
		s.presents(k, s.asksForAnyPasskey()).is(403, "account_archived")
	}, withDomain)
}

// TestDomainOfPasskeys: 89. A changed domain makes passkeys useless; the check says how many,
// and nobody is asked for one.
func TestDomainOfPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		k, codes := ada.hasPasskey()
		ada.hasPasskey()
		grace.hasPasskey()
		check := func(setting string) string {
			out, _, _ := separately(t, "", t.TempDir(), s.environ("PUBLIC_URL=https://id.example.com", setting), "check")
			return out
		}
		if out := check("DEBUG=false"); !strings.Contains(out, "ok   passkeys: 3 can be used") || !strings.Contains(out, "ok   WEBAUTHN_RP_ID: passkeys belong to id.example.com, for pages of https://id.example.com") {
			t.Errorf("%s", out)
		}
		if out := check("WEBAUTHN_RP_ID=example.org"); !strings.Contains(out, "warn passkeys: 3 of 3, of 2 people, belong to id.example.com and can't be used with example.org") {
			t.Errorf("%s", out)
		}

		s.exec("UPDATE user_passkeys SET rp_id = 'old.example.com' WHERE user_id = ?", ada.id) // as after such a change
		refused := s.logIn(ada.email, password).is(403, "mfa_required")
		if refused.str("methods") != "[recovery_code]" || refused.value("public_key") != nil {
			t.Errorf("%s", refused.body)
		}
		s.presents(k, s.asksForAnyPasskey()).is(401, "invalid_challenge")
		ada.ask("step_up", "method", "passkey").is(409, "no_passkey")
		s.completes(refused.str("challenge_token"), "recovery_code", codes[0]).is(200)

		a := s.do("GET", "/.well-known/webauthn", "", nil).is(200)
		if string(a.body) != `{"origins":["https://id.example.com","https://app.example.org"]}` || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", a.header, a.body)
		}
		related := s.newKey()
		related.site.Origin = "https://app.example.org"
		grace.addsPasskey(related, grace.ask("enrol_passkey").is(201)).is(201)
		s.presents(related, s.asksForAnyPasskey()).is(200)
	}, withDomain, func(c *config.Config) { c.AppURL = "https://app.example.org/shop" })
}

// TestNoDomainForPasskeys: without a domain there are no passkeys, and log-ins work as before.
func TestNoDomainForPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.ask("enrol_passkey").is(503, "passkeys_not_configured")
		s.public("/auth/challenges", "purpose", "log_in", "method", "passkey").is(503, "passkeys_not_configured")
		ada.post("/auth/factors/passkeys", body("challenge_token", "x", "credential", body())).is(503, "passkeys_not_configured")
		s.do("GET", "/.well-known/webauthn", "", nil).is(404)
		phone, _ := ada.enrols()
		refused := s.logIn(ada.email, password).is(403, "mfa_required")
		s.completes(refused.str("challenge_token"), "credential", body()).is(401, "invalid_challenge")
		s.completes(refused.str("challenge_token"), "otp", phone.next()).is(200)
	}, func(c *config.Config) { c.PublicURL = "https://192.0.2.1" })
}
