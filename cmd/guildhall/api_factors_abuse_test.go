package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
)

// TestAPolicyHidesTheStandingOfMembers: 90. Whoever an organization's policy refuses sees people
// by other organizations that they share, and learns nothing of them in that one.
func TestAPolicyHidesTheStandingOfMembers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, other := s.person("Owner"), s.person("Other")
		owner.enrols()
		admin, bob := s.person("Admin"), s.person("Bob")
		bob.joins(owner, false)
		bob.joins(other, false)
		elsewhere, inAdmin := admin.joins(other, false), admin.joins(owner, true)
		inAdmin.post(owner.org("/members/"+bob.id+"/suspend"), because()).is(200)
		key := inAdmin.of(owner).makesKey()
		if a := inAdmin.get("/users/" + bob.id).is(200); a.str("standing.organization") != "suspended" {
			t.Errorf("%s", a.body)
		}
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		for range 3 { // also when the gate remembers them
			elsewhere.get("/users/"+bob.id, "X-Organization-ID", owner.organization).is(403, "mfa_enrolment_required")
			if a := inAdmin.get("/users/" + bob.id).is(200); a.value("standing.organization") != nil || a.value("role") != nil || a.value("is_suspended") != false {
				t.Errorf("%s", a.body)
			}
			s.do("GET", "/api/v1/users/"+bob.id, key.str("key"), nil).is(403, "key_without_factor")
		}
		inAdmin.get("/users/" + admin.id).is(200)
		elsewhere.get("/users/"+admin.id, "X-Organization-ID", owner.organization).is(200)
		inAdmin.enrols()
		if a := inAdmin.get("/users/" + bob.id).is(200); a.str("standing.organization") != "suspended" {
			t.Errorf("%s", a.body)
		}
	})
}

// TestAKeyIsNoWayAroundTheFactor: nobody sets up a second factor, makes a key and removes the
// factor again, to do without it for as long as the key lives.
func TestAKeyIsNoWayAroundTheFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner := s.person("Owner")
		owner.enrols()
		robot := owner.machine("robot")
		robots := owner.post(owner.org("/api-keys"), body("name", "ci", "scopes", []string{"read"}, "user_id", robot)).is(201)
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		works := func(key answer, is int, code ...string) {
			t.Helper()
			for range 3 {
				s.do("GET", "/api/v1"+owner.org("/members"), key.str("key"), nil).is(is, code...)
			}
		}
		for name, remove := range map[string]func(who *actor, phone authenticatorApp){
			"by themselves": func(who *actor, phone authenticatorApp) { who.delete("/auth/factors/" + phone.id).is(204) },
			"by a command":  func(who *actor, _ authenticatorApp) { s.commandIs(0, "", "admin", "reset-factors", who.email) },
		} {
			t.Log(name)
			bob := s.person("Bob")
			phone, _ := bob.enrols()
			inBob := bob.joins(owner, false)
			key := inBob.of(owner).makesKey()
			works(key, 200)
			remove(inBob, phone)
			works(key, 403, "key_without_factor")
		}
		works(robots, 200)
	}, longTokens)
}

// TestVerifiersRefuseWhomThePolicyRefuses: a program that verifies tokens by itself and follows
// the feed accepts no token in an organization that the gate refuses there for want of a second
// factor, however the person came by it.
func TestVerifiersRefuseWhomThePolicyRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		v, owner := s.verifierOf("orders"), s.verifiedPerson("Owner")
		owner.enrols()
		bob, carl, eve := s.verifiedPerson("Bob"), s.verifiedPerson("Carl"), s.person("Eve")
		bob.joins(owner, false)
		inCarl := carl.joins(owner, false)
		phone, _ := inCarl.enrols()
		key := s.keyToken(inCarl.of(owner).makesKey())
		policy := func(mfa string) {
			t.Helper()
			owner.put(owner.org("/security"), body("mfa", mfa)).is(200)
			s.later(2 * time.Second)
		}
		isRefused := func(what, token string) {
			t.Helper()
			v.readAll()
			if s.roleOf(token) != none || !v.refuses(token) {
				t.Errorf("%s: the gate says role %d, a verifier refuses: %v", what, s.roleOf(token), v.refuses(token))
			}
		}
		holds := func(what, token string) {
			t.Helper()
			v.readAll()
			if s.roleOf(token) == none || v.refuses(token) {
				t.Errorf("%s: the gate says role %d, a verifier refuses: %v", what, s.roleOf(token), v.refuses(token))
			}
		}
		in := func(a answer) string {
			t.Helper()
			if a.str("organization_id") != owner.organization {
				t.Errorf("it is in another organization: %s", a.body)
			}
			return a.str("access_token")
		}

		policy("everyone")
		isRefused("a log-in", in(s.logIn(bob.email, password).is(200)))
		token := s.ask("log_in", bob.email)
		isRefused("a log-in by mail", in(s.enter("challenge_token", token, "code", s.mail(bob.email, "log_in_code").code()).is(200)))
		email := fmt.Sprintf("mallory.%d@example.com", people.Add(1))
		isRefused("a registration", in(s.public("/auth/register", "email", email, "password", password, "name", "Mallory", "invitation_token", owner.mailed(email)).is(201)))
		// Nobody had proved this address: what was set up so far ends, so nobody asks for a factor before.
		isRefused("a claim", in(eve.accepts(owner.mailed(eve.email)).is(200)))
		s.later(2 * time.Second)
		renewed := s.refresh(inCarl.refresh).is(200)
		inCarl.access = in(renewed)
		holds("with a second factor", inCarl.access)
		s.later(2 * time.Second)
		inCarl.delete("/auth/factors/" + phone.id).is(204)
		isRefused("without the last factor", inCarl.access)
		isRefused("a key without the last factor", key)

		policy("admins")
		member := in(s.logIn(bob.email, password).is(200))
		holds("a member", member)
		s.later(2 * time.Second)
		member = in(s.logIn(carl.email, password).is(200))
		holds("another member", member)
		s.later(2 * time.Second)
		owner.post(owner.org("/transfer-ownership"), body("new_owner_user_id", carl.id)).is(200)
		isRefused("a new owner", member)
	}, withMailbox, logInByEmail, longTokens, func(c *config.Config) { c.StepUpMaxAge = time.Hour })
}

// TestPolicyRefusalsAreDocumented: a client developer finds the refusals of a policy wherever
// they occur.
func TestPolicyRefusalsAreDocumented(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		doc, _ := s.document()
		for _, path := range []string{"/api/v1/invitations/accept", "/api/v1/auth/me/invitations/{invitation_id}/accept", "/forward-auth", "/api/v1/users/{user_id}", "/api/v1/auth/switch-organization"} {
			item := doc.Paths.Value(path)
			operation := item.Get
			if operation == nil {
				operation = item.Post
			}
			for status, code := range map[string]string{"401": "step_up_required", "403": "mfa_enrolment_required"} {
				if r := operation.Responses.Value(status); r == nil || !strings.Contains(*r.Value.Description, "`"+code+"`") {
					t.Errorf("%s: %s %s is not documented", path, status, code)
				}
			}
		}
	})
}

// TestTheLastFactorsAreRemovedAtOnce: of two removals at once, one is of the last factor, and
// leaves neither recovery codes nor a session with two factors.
func TestTheLastFactorsAreRemovedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for range 5 {
			ada := s.person("Ada")
			first, _ := ada.enrols()
			second, _ := ada.enrols()
			oneEach := make(chan int, 2)
			for _, id := range []string{first.id, second.id} {
				go func() { oneEach <- ada.delete("/auth/factors/" + id).status }()
			}
			if got := []int{<-oneEach, <-oneEach}; !slices.Equal(got, []int{204, 204}) {
				t.Errorf("%v", got)
			}
			if a := ada.get("/auth/factors").is(200); string(a.body) != `{"factors":[],"recovery_codes_left":0,"recovers_at":null}` {
				t.Errorf("%s", a.body)
			}
			if level := s.count("SELECT MAX(aal) FROM sessions WHERE user_id = ?", ada.id); level != 1 {
				t.Errorf("level %d", level)
			}
			s.logIn(ada.email, password).is(200)
		}
		s.isSound()
	})
}

// TestAnAnnouncedPolicyBegins: the gate's cache does not keep anybody in when an announced
// policy begins.
func TestAnAnnouncedPolicyBegins(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, bob := s.person("Owner"), s.person("Bob")
		owner.enrols()
		inBob := bob.joins(owner, false)
		key := inBob.of(owner).makesKey().str("key")
		owner.put(owner.org("/security"), body("mfa", "everyone", "from", s.kernel.Now().Add(time.Hour))).is(200)
		for range 3 {
			inBob.get(owner.org("/members")).is(200)
			s.do("GET", "/api/v1"+owner.org("/members"), key, nil).is(200)
		}
		s.later(time.Hour + time.Second)
		inBob.get(owner.org("/members")).is(403, "mfa_enrolment_required")
		s.do("GET", "/api/v1"+owner.org("/members"), key, nil).is(403, "key_without_factor")
	}, longTokens)
}

// TestAMemberLeavesBeforeTheFactor: whoever a policy refuses may leave, and remove nobody else.
func TestAMemberLeavesBeforeTheFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner := s.person("Owner")
		owner.enrols()
		admin, bob := s.person("Admin").joins(owner, true), s.person("Bob").joins(owner, false)
		key := bob.of(owner).makesKey().str("key")
		owner.put(owner.org("/security"), body("mfa", "everyone")).is(200)
		admin.delete(owner.org("/members/"+bob.id)).is(403, "mfa_enrolment_required")
		bob.delete(owner.org("/members/"+admin.id)).is(403, "mfa_enrolment_required")
		bob.delete(owner.org("/members/" + bob.id)).is(204)
		admin.delete(owner.org("/members/" + admin.id)).is(204)
		s.do("GET", "/api/v1"+owner.org("/members"), key, nil).is(401, "invalid_token") // it ended with the membership
		owner.delete(owner.org("/members/"+owner.id)).is(409, "owner_required")
	})
}
