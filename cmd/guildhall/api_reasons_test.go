package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// eventDetails returns the details of the last event with an action.
func (a *actor) eventDetails(path, action string) map[string]any {
	a.s.t.Helper()
	events := a.get(path + "/audit-events?limit=1&action=" + action).is(200).list()
	if len(events) != 1 {
		a.s.t.Fatalf("%s: no %s", path, action)
	}
	return events[0]["details"].(map[string]any)
}

// TestReasonsAreForThoseWhoCouldGiveThem checks who sees the reason of a suspension: for
// an account only platform administrators, for a member and for an organization the
// admins of the organization.
func TestReasonsAreForThoseWhoCouldGiveThem(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const secret, inHouse, unpaid = "Reported by the police.", "Rude to customers.", "Unpaid invoices."
		root, ada := s.operator("Root"), s.person("Ada")
		admin, grace, bob := s.person("Admin").joins(ada, true), s.person("Grace").joins(ada, false), s.person("Bob").joins(ada, false)
		knows := func(a answer, reason string, want bool) {
			t.Helper()
			if got := strings.Contains(string(a.is(200).body), reason); got != want {
				t.Errorf("%s reveals %q: %t, want %t: %s", a.request, reason, got, want, a.body)
			}
		}

		// A member, in the organization.
		until := s.kernel.Now().Add(time.Hour).Format(time.RFC3339Nano)
		a := admin.post(grace.path()+"/suspend", body("reason", inHouse, "suspended_until", until))
		knows(a, inHouse, true)
		held := a.object()["suspensions"].([]any)[0].(map[string]any)
		if held["scope"] != "organization" || held["suspended_by"] != admin.id || held["suspended_until"] != until || held["suspended_at"] == nil {
			t.Errorf("suspended: %v", held)
		}
		knows(ada.get(grace.path()), inHouse, true)
		knows(bob.get(grace.path()), inHouse, false)
		knows(root.get(grace.path()), inHouse, false) // not from their own organization
		knows(root.get(grace.path(), "X-Organization-ID", ada.organization), inHouse, true)
		knows(grace.get(grace.path()), inHouse, false)
		knows(admin.get("/users"), inHouse, false) // a list
		if d := ada.eventDetails(ada.org(""), "user.suspended"); d["reason"] != inHouse || d["suspended_until"] != until {
			t.Errorf("details: %v", d)
		}
		knows(grace.get(grace.path()+"/audit-events"), inHouse, false)
		admin.post(grace.path()+"/activate", nil).is(200)
		knows(admin.get(grace.path()), "suspensions", false)

		// An account.
		knows(root.post(grace.path()+"/suspend", body("reason", secret, "scope", "account")), secret, true)
		knows(root.get(grace.path()), secret, true)
		knows(ada.get(grace.path()), secret, false)
		if a := s.logIn(grace.email, password); strings.Contains(string(a.body), secret) || a.status != 403 {
			t.Errorf("at log-in: %s", a.body)
		}
		root.post(grace.path()+"/activate", body("scope", "account")).is(200)
		root.post(grace.path()+"/archive", body("reason", secret)).is(200)
		root.post(grace.path()+"/unarchive", body("reason", secret)).is(200)
		grace = s.actorOf(s.logIn(grace.email, password).is(200))
		trail := grace.get(grace.path() + "/audit-events")
		knows(trail, secret, false)
		for _, action := range []string{"user.suspended", "user.archived", "user.unarchived"} {
			if d := root.eventDetails(grace.path(), action); d["reason"] != secret || len(fmt.Sprint(d["salt"])) < 26 {
				t.Errorf("%s: %v", action, d)
			}
			if d := grace.eventDetails(grace.path(), action); len(d) != 0 {
				t.Errorf("%s tells the person %v", action, d)
			}
		}
		for _, e := range trail.list() { // a platform administrator has no role in the organization
			if as := e["actor_role"]; e["actor_user_id"] == root.id && (as != "platform_administrator" || e["address"] != "") {
				t.Errorf("%s was done as %s from %q", e["action"], as, e["address"])
			}
		}
		knows(ada.get(ada.org("/audit-events")), secret, false)

		// By command. Users see the reasons of their own actions.
		s.atServer().ok("user", "suspend", bob.email, "--reason", secret)
		s.atServer().ok("user", "activate", bob.email)
		bob = s.actorOf(s.logIn(bob.email, password).is(200))
		knows(bob.get(bob.path()+"/audit-events"), secret, false)
		bob.delete(ada.org("/members/" + bob.id)).is(204)
		bob.post(bob.path()+"/archive", body("reason", "Enough.")).is(200)
		root.post(bob.path()+"/unarchive", nil).is(200)
		bob = s.actorOf(s.logIn(bob.email, password).is(200))
		if d := bob.eventDetails(bob.path(), "user.archived"); d["reason"] != "Enough." {
			t.Errorf("his own: %v", d)
		}

		// An organization.
		a = root.post(ada.org("/suspend"), body("reason", unpaid))
		knows(a, unpaid, true)
		if a.str("suspension.by_platform") != "true" || a.str("suspension.suspended_by") != root.id {
			t.Errorf("suspended: %s", a.body)
		}
		for _, who := range []*actor{ada, admin, root} {
			knows(who.get(ada.org("")), unpaid, true)
		}
		member := s.person("Member")
		root.post(ada.org("/members"), body("user_id", member.id)).is(201)
		knows(member.get(ada.org("")), unpaid, false)
		knows(ada.get("/organizations"), unpaid, false)
		if d := ada.eventDetails(ada.org(""), "organization.suspended"); d["reason"] != unpaid {
			t.Errorf("details: %v", d)
		}
		knows(root.post(ada.org("/activate"), nil), unpaid, false)
	})
}

// TestAnOperatorIsToldOfTheScope checks that the error mentions "scope": "account" if a
// platform administrator names a user who is not in their active organization.
func TestAnOperatorIsToldOfTheScope(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		told := func(a answer, status int, code, says string) {
			t.Helper()
			if detail := a.is(status, code).str("detail"); !strings.Contains(detail, says) {
				t.Errorf("%s: %s", a.request, detail)
			}
		}
		const scope = `"scope": "account"`
		told(root.post(ada.path()+"/suspend", because()), 404, "user_not_found", scope) // not in Root's organization
		told(root.post("/users/"+nowhere+"/suspend", because()), 404, "user_not_found", "There is no such user.")
		told(ada.post(root.path()+"/suspend", because()), 404, "user_not_found", "There is no such user.")
		email := newEmail()
		id := root.post("/users", body("email", email, "name", "N", "password", password)).is(201).str("id")
		if _, status := s.command("", "admin", "grant", email); status != 0 {
			t.Fatal("not granted")
		}
		without := s.actorOf(s.logIn(email, password).is(200))
		for _, verb := range []string{"suspend", "deactivate", "activate"} {
			b := body()
			if verb == "suspend" {
				b = because()
			}
			told(without.post(ada.path()+"/"+verb, b), 403, "organization_required", scope)
		}
		told(without.get("/users"), 403, "organization_required", "scope=all")
		if _, status := s.command("", "admin", "revoke", email); status != 0 {
			t.Fatal("not revoked")
		}
		told(without.post("/users/"+id+"/suspend", because()), 403, "organization_required", "switch to one")
	})
}
