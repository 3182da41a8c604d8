package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/httpapi"
	"guildhall/platform/platformtest"
	"guildhall/platform/token"
)

// makesKey makes an API key in the actor's organization. It returns the answer that shows it.
func (a *actor) makesKey(members ...any) answer {
	a.s.t.Helper()
	return a.post(a.org("/api-keys"), body(append([]any{"name", "CI"}, members...)...)).is(201)
}

// byKey is the holder of the key of an answer, presenting it.
func (a *actor) byKey(made answer) *actor {
	b := *a
	b.id, b.access, b.refresh = made.str("holder.id"), made.str("key"), ""
	return &b
}

// of is the actor with the organization of another one, in which they act by its path.
func (a *actor) of(owner *actor) *actor {
	b := *a
	b.organization = owner.organization
	return &b
}

// machine creates a service account in the actor's organization, and returns its id.
func (a *actor) machine(name string) string {
	a.s.t.Helper()
	return a.post(a.org("/service-accounts"), body("name", name)).is(201).str("id")
}

var both = []string{"read", "manage"}

// TestAKeyActsForItsHolder: what a key does, and what the list and the log say of it.
func TestAKeyActsForItsHolder(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		made := ada.makesKey("scopes", both)
		if v := made.object(); v["name"] != "CI" || v["organization_id"] != ada.organization || v["last_used_at"] != nil || v["is_rotated"] != false ||
			made.str("holder.id") != ada.id || made.str("holder.kind") != "person" || made.str("created_by.id") != ada.id || made.str("created_by.name") != "Ada" ||
			!slices.Equal(v["scopes"].([]any), []any{"read", "manage"}) || !strings.HasPrefix(made.str("key"), made.str("hint")) {
			t.Errorf("%s", made.body)
		}
		if end := timeOf(t, made.str("expires_at")); end.Sub(timeOf(t, made.str("created_at"))) != 90*24*time.Hour {
			t.Errorf("expires at %v", end)
		}
		key := ada.byKey(made)
		me := key.get("/auth/me").is(200)
		if me.str("id") != ada.id || me.str("organization.id") != ada.organization || me.str("organization.role") != "owner" {
			t.Errorf("%s", me.body)
		}
		key.get(ada.org("")).is(200)
		key.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		key.get("/users").is(200) // the active organization is the key's
		key.get("/users/" + grace.id).is(200)
		key.post("/users/"+grace.id+"/deactivate", body()).is(200)
		key.get(ada.org("/permissions/me")).is(200)

		events := ada.get(ada.org("/audit-events?action=member.added")).is(200).list()
		if e := events[0]; e["actor_user_id"] != ada.id || s.count("SELECT COUNT(*) FROM audit_events WHERE id = ? AND session_id = ?", e["id"], made.str("id")) != 1 {
			t.Errorf("the log says %v", e)
		}
		events = ada.get(ada.org("/audit-events?action=api_key.created")).is(200).list()
		if e := events[0]; len(events) != 1 || e["user_id"] != ada.id || fmt.Sprint(e["details"]) != fmt.Sprint(map[string]any{"key_id": made.str("id"), "scopes": "read manage"}) {
			t.Errorf("the log says %v", events)
		}
		ada.delete(ada.org("/api-keys/" + made.str("id"))).is(204)
		key.get("/auth/me").is(401, "invalid_token")
		ada.delete(ada.org("/api-keys/"+made.str("id"))).is(404, "api_key_not_found")
		if n := len(ada.get(ada.org("/api-keys")).is(200).list()); n != 0 {
			t.Errorf("%d keys are listed", n)
		}
		if n := len(ada.get(ada.org("/audit-events?action=api_key.revoked")).list()); n != 1 {
			t.Errorf("%d keys were revoked in the log", n)
		}
	})
}

func timeOf(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestAKeyDependsOnItsHolder: 100. The gate asks for each request whether the holder may act.
func TestAKeyDependsOnItsHolder(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		grace := s.person("Grace").joins(ada, true).of(ada)
		made := grace.makesKey("scopes", both)
		key := grace.byKey(made)
		rename := func() answer { return key.patch(ada.org(""), body("name", "by key")) }
		rename().is(200)

		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		rename().is(403, "insufficient_role")
		key.get(ada.org("")).is(200)
		ada.post(ada.org("/admins"), body("user_id", grace.id)).is(201)
		rename().is(200)

		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		rename().is(403, "membership_suspended")
		key.get("/auth/me").is(403, "membership_suspended")
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		ada.post(ada.org("/members/"+grace.id+"/deactivate"), nil).is(200)
		key.get("/auth/me").is(403, "membership_inactive")
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)

		ada.post(ada.org("/suspend"), because()).is(200)
		rename().is(403, "organization_suspended")
		key.get("/auth/me").is(403, "organization_suspended")
		ada.post(ada.org("/activate"), nil).is(200)
		ada.post(ada.org("/archive"), because()).is(200)
		rename().is(404, "organization_not_found")
		ada.post(ada.org("/unarchive"), nil).is(200)
		rename().is(200)

		root.post("/users/"+grace.id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		rename().is(401, "invalid_token")
		root.post("/users/"+grace.id+"/activate", body("scope", "account")).is(200)
		rename().is(200)

		// Without the membership the gate knows no organization, whatever else says that the
		// key lives.
		s.exec("DELETE FROM organization_members WHERE user_id = ? AND organization_id = ?", grace.id, ada.organization)
		rename().is(404, "organization_not_found")
		key.get("/auth/me").is(404, "organization_not_found")
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		key.get(ada.org("")).is(200)
		// A removal ends the key for good, so that it does not come back with its holder.
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		rename().is(401, "invalid_token")
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		key.get(ada.org("")).is(401, "invalid_token")
	})
}

// TestAKeyIsOnesOwnOrAServiceAccounts: 101.
func TestAKeyIsOnesOwnOrAServiceAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, root := s.person("Ada"), s.person("Eve"), s.operator("Root")
		admin, member := s.person("Admin").joins(ada, true).of(ada), s.person("Member").joins(ada, false).of(ada)
		plain, strong := ada.machine("plain"), ada.machine("strong")
		ada.post(ada.org("/admins"), body("user_id", strong)).is(201)
		root = root.of(ada)
		foreign := eve.machine("foreign")
		for _, c := range []struct {
			who    *actor
			holder string
			status int
			code   string
		}{
			{member, member.id, 201, ""}, {member, plain, 403, "insufficient_role"}, {member, ada.id, 403, "not_yourself"}, {member, eve.id, 404, "member_not_found"},
			{admin, admin.id, 201, ""}, {admin, plain, 201, ""}, {admin, strong, 403, "equal_or_higher_role"}, {admin, member.id, 403, "not_yourself"},
			{admin, ada.id, 403, "not_yourself"}, {admin, nowhere, 404, "member_not_found"}, {admin, foreign, 404, "member_not_found"},
			{ada, plain, 201, ""}, {ada, strong, 201, ""}, {ada, admin.id, 403, "not_yourself"}, {ada, foreign, 404, "member_not_found"},
			{root, plain, 201, ""}, {root, strong, 201, ""}, {root, member.id, 403, "not_yourself"}, {root, root.id, 404, "member_not_found"},
			{eve.of(ada), plain, 404, "organization_not_found"},
		} {
			a := c.who.post(ada.org("/api-keys"), body("name", "x", "user_id", c.holder))
			if a.status != c.status || a.status != 201 && a.code() != c.code {
				t.Errorf("%s for %s: %d %s", c.who.email, c.holder, a.status, a.body)
			}
		}
		s.do("POST", "/api/v1"+ada.org("/api-keys"), "", body("name", "x")).is(401, "authentication_required")

		// Members list and end their own keys, admins those of all below them.
		own, machines, owners := member.makesKey().str("id"), ada.makesKey("user_id", plain).str("id"), ada.makesKey().str("id")
		for _, k := range member.get(ada.org("/api-keys?limit=1000")).is(200).list() {
			if k["holder"].(map[string]any)["id"] != member.id {
				t.Errorf("a member sees %v", k)
			}
		}
		if a := admin.get(ada.org("/api-keys?count=true&limit=2")).is(200); len(a.list()) != 2 || a.header.Get("X-Total-Count") != fmt.Sprint(s.count("SELECT COUNT(*) FROM sessions WHERE kind = 'key'")) {
			t.Errorf("an admin sees %s of %s", a.body, a.header.Get("X-Total-Count"))
		}
		for _, path := range []string{"", "/rotate"} {
			ask := func(who *actor, id string) answer {
				if path == "" {
					return who.delete(ada.org("/api-keys/" + id))
				}
				return who.post(ada.org("/api-keys/"+id+path), body())
			}
			ask(member, machines).is(404, "api_key_not_found")
			ask(member, owners).is(404, "api_key_not_found")
			ask(eve.of(ada), own).is(404, "organization_not_found")
			ask(eve, own).is(404, "organization_not_found")
			eve.post(eve.org("/api-keys/"+own+"/rotate"), body()).is(404, "api_key_not_found")
			eve.delete(eve.org("/api-keys/"+own)).is(404, "api_key_not_found")
		}
		admin.post(ada.org("/api-keys/"+own+"/rotate"), body()).is(403, "not_yourself")
		admin.post(ada.org("/api-keys/"+owners+"/rotate"), body()).is(403, "not_yourself")
		admin.post(ada.org("/api-keys/"+machines+"/rotate"), body()).is(201)
		admin.delete(ada.org("/api-keys/"+owners)).is(403, "equal_or_higher_role")
		admin.delete(ada.org("/api-keys/" + own)).is(204)
		admin.delete(ada.org("/api-keys/" + machines)).is(204)
	})
}

// TestKeysAreShownToThoseConcerned: one key to its holder and to admins, with the role that the
// holder has now; and to its holder all of theirs, in every organization.
func TestKeysAreShownToThoseConcerned(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, root := s.person("Ada"), s.person("Eve"), s.operator("Root")
		member := s.person("Member").joins(ada, false)
		own, here := member.makesKey("name", "own").str("id"), member.of(ada).makesKey("name", "here").str("id")
		owners := ada.makesKey().str("id")
		one := func(who *actor, id string) answer { return who.get(ada.org("/api-keys/" + id)) }
		for _, who := range []*actor{member, ada, root} {
			a := one(who, here).is(200)
			if a.str("name") != "here" || a.str("holder.id") != member.id || a.str("holder.role") != "member" || a.object()["key"] != nil {
				t.Errorf("%s", a.body)
			}
		}
		one(member, owners).is(404, "api_key_not_found")
		one(ada, own).is(404, "api_key_not_found") // it is in another organization
		one(eve, here).is(404, "organization_not_found")
		ada.post(ada.org("/admins"), body("user_id", member.id)).is(201)
		if a := one(member, owners).is(200); a.str("holder.role") != "owner" {
			t.Errorf("%s", a.body)
		}
		if a := one(member, here).is(200); a.str("holder.role") != "admin" {
			t.Errorf("%s", a.body)
		}

		mine := member.get("/auth/me/api-keys?count=true").is(200)
		if got := mine.ids(); !slices.Equal(got, []string{own, here}) || mine.header.Get("X-Total-Count") != "2" {
			t.Errorf("%s", mine.body)
		}
		if strings.Contains(string(mine.body), `"key"`) {
			t.Errorf("%s", mine.body)
		}
		if pages := followLinks(member, "/auth/me/api-keys?limit=1", nil); len(pages) != 2 || pages[1][0] != here {
			t.Errorf("%v", pages)
		}
		if n := len(eve.get("/auth/me/api-keys").is(200).list()); n != 0 {
			t.Errorf("%d keys of somebody else", n)
		}
		ada.delete(ada.org("/members/" + member.id)).is(204)
		if got := member.get("/auth/me/api-keys").is(200).ids(); !slices.Equal(got, []string{own}) {
			t.Errorf("after the removal: %v", got)
		}
	})
}

// TestScopesNeverExceedTheRole: 102 and 103.
func TestScopesNeverExceedTheRole(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, true).of(ada)
		member := s.person("Member").joins(ada, false).of(ada)
		member.post(ada.org("/api-keys"), body("name", "x", "scopes", both)).is(403, "scope_beyond_role")
		machine := ada.machine("M")
		ada.post(ada.org("/api-keys"), body("name", "x", "user_id", machine, "scopes", both)).is(403, "scope_beyond_role")

		// No scopes are the least.
		for what, b := range map[string]map[string]any{"absent": body("name", "x"), "empty": body("name", "x", "scopes", []string{})} {
			made := grace.post(ada.org("/api-keys"), b).is(201)
			if got := fmt.Sprint(made.value("scopes")); got != "[read]" {
				t.Errorf("%s: %s", what, got)
			}
			key := grace.byKey(made)
			key.get(ada.org("/members")).is(200)
			key.patch(ada.org(""), body("name", "x")).is(403, "insufficient_scope")
			key.post(ada.org("/members"), body("user_id", nowhere)).is(403, "insufficient_scope")
		}
		inputNames(grace.post(ada.org("/api-keys"), body("name", "x", "scopes", nil)), "body.scopes")
		refused := grace.post(ada.org("/api-keys"), body("name", "x", "scopes", []string{"read", "everything"})).is(422, "unknown_scope")
		if got := fmt.Sprint(refused.value("errors")); !strings.Contains(got, "body.scopes[1]") {
			t.Errorf("%s", refused.body)
		}

		// What may be changed may not be read, unless the key has both.
		writer := grace.byKey(grace.makesKey("scopes", []string{"manage", "manage"}))
		writer.get(ada.org("/members")).is(403, "insufficient_scope")
		writer.get("/auth/me").is(200)
		writer.patch(ada.org(""), body("name", "y")).is(200)

		// The role counts at the time, and a rotation does not restore what it lost.
		id := grace.makesKey("scopes", both).str("id")
		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		writer.patch(ada.org(""), body("name", "z")).is(403, "insufficient_role")
		grace.post(ada.org("/api-keys/"+id+"/rotate"), body()).is(403, "scope_beyond_role")
	})
}

// TestKeysOfPlatformAdministrators: a key has no more than the role in its organization.
func TestKeysOfPlatformAdministrators(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		key := root.byKey(root.makesKey("scopes", both))
		if me := key.get("/auth/me").is(200); me.value("is_platform_administrator") != false {
			t.Errorf("%s", me.body)
		}
		key.get(ada.org("")).is(404, "organization_not_found")
		key.get("/users?scope=all").is(403, "platform_administrator_required")
		key.get("/audit-events").is(403, "key_not_allowed")
		key.get("/users/"+ada.id).is(404, "user_not_found")
		key.post("/users/"+ada.id+"/suspend", body("reason", "because", "scope", "account")).is(403, "platform_administrator_required")

		// A platform administrator who is a plain member has a plain member's key.
		root.post(ada.org("/members"), body("user_id", root.id)).is(201)
		made := root.post(ada.org("/api-keys"), body("name", "x")).is(201)
		key = root.byKey(made)
		key.get(ada.org("/members")).is(200)
		key.get(ada.org("/invitations")).is(403, "insufficient_role")
		root.post(ada.org("/api-keys"), body("name", "x", "scopes", both)).is(403, "scope_beyond_role")

		// Also under the lock, where the role is read again.
		ada.post(ada.org("/admins"), body("user_id", root.id)).is(201)
		key = root.byKey(root.post(ada.org("/api-keys"), body("name", "x", "scopes", both)).is(201))
		other := s.person("Other").joins(ada, true)
		key.delete(ada.org("/members/"+other.id)).is(403, "equal_or_higher_role")
	})
}

// TestNoKeyOnCredentials: 104. Every route refuses a key, or is on the list for keys. The key
// has all scopes and belongs to an owner.
func TestNoKeyOnCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		made := ada.makesKey("scopes", both)
		key := ada.byKey(made)
		live := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL")
		names := strings.NewReplacer(":organization_id", ada.organization, ":user_id", ada.id, ":key_id", made.str("id"), ":factor_id", made.str("id"), ":identity_id", made.str("id"), ":api_id", made.str("id"),
			":session_id", nowhere, ":invitation_id", nowhere, ":link_id", nowhere)
		refused := 0
		for _, r := range s.app.API().Routes() {
			if r.Rule.Keys() != "not by key" {
				continue
			}
			refused++
			s.do(r.Method, names.Replace(r.Path), key.access, nil).is(403, "key_not_allowed")
		}
		for _, must := range []string{
			"POST /auth/refresh", "POST /auth/token", "POST /auth/switch-organization", "POST /auth/logout", "POST /auth/step-up", "POST /auth/challenges",
			"GET /auth/sessions", "DELETE /auth/sessions/:session_id", "DELETE /users/:user_id/sessions", "PATCH /users/:user_id/password",
			"GET /organizations/:organization_id/api-keys", "POST /organizations/:organization_id/api-keys", "POST /organizations/:organization_id/api-keys/:key_id/rotate",
			"DELETE /organizations/:organization_id/api-keys/:key_id", "POST /organizations/:organization_id/transfer-ownership",
			"POST /organizations", "GET /organizations", "POST /invitations/accept", "POST /users/:user_id/archive", "DELETE /users/:user_id", "GET /users/:user_id/export", "GET /users/:user_id/audit-events",
		} {
			method, path, _ := strings.Cut(must, " ")
			if !slices.ContainsFunc(s.app.API().Routes(), func(r httpapi.Route) bool {
				return r.Method == method && r.Path == httpapi.BasePath+path && r.Rule.Keys() == "not by key"
			}) {
				t.Errorf("%s takes keys", must)
			}
		}
		if now := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL"); now != live || refused < 30 {
			t.Errorf("%d of %d sessions live after %d refusals", now, live, refused)
		}
		// A key is no refresh token, and a session's page does not end it.
		s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", key.access)).is(401, "invalid_refresh_token")
		ada.delete("/auth/sessions/"+made.str("id")).is(404, "session_not_found")
		for _, v := range ada.get("/auth/sessions").is(200).list() {
			if v["id"] == made.str("id") {
				t.Error("a key is listed as a session")
			}
		}
		key.get("/auth/me").is(200)
	})
}

// TestAKeyWorksInItsOrganizationOnly: 105.
func TestAKeyWorksInItsOrganizationOnly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		other := ada.post("/organizations", body("name", "Other")).is(201).str("id")
		ada.joins(grace, true)
		theirs := s.person("Theirs").joins(grace, false)
		key := ada.byKey(ada.makesKey("scopes", both))
		for _, id := range []string{other, grace.organization, nowhere} {
			key.get("/organizations/"+id).is(404, "organization_not_found")
			key.get("/organizations/"+id+"/api-keys").is(404, "organization_not_found")
			key.post("/organizations/"+id+"/members", body("user_id", theirs.id)).is(404, "organization_not_found")
			key.get("/auth/me", "X-Organization-ID", id).is(404, "organization_not_found")
			key.get("/users", "X-Organization-ID", id).is(404, "organization_not_found")
			key.post("/auth/logout", nil, "X-Organization-ID", id).is(404, "organization_not_found")
		}
		key.get("/users/"+theirs.id).is(404, "user_not_found") // known to the holder from another organization
		ada.get("/users/" + theirs.id).is(200)
		key.post("/users/"+theirs.id+"/suspend", because()).is(404)
		key.get("/organizations/x").is(422)
		key.get(ada.org("")).is(200)
	})
}

// TestGuessedKeysCostNoQuery: 106. A wrong checksum is refused without a statement, and the
// unknown keys from one address are limited. All answers are the same.
func TestGuessedKeysCostNoQuery(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		real := ada.makesKey().str("key")
		shape := func(a answer) string {
			return fmt.Sprint(a.status, a.code(), a.object()["detail"], a.header.Get("WWW-Authenticate"))
		}
		want := shape(s.do("GET", "/api/v1/auth/me", "x", nil).is(401, "invalid_token"))
		before := s.statements.Load()
		for i := range 2000 {
			guess, _ := token.NewKey("guildhall")
			guess = guess[:len(guess)-6] + fmt.Sprintf("%06d", i)
			if got := shape(s.do("GET", "/api/v1/auth/me", guess, nil)); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		if n := s.statements.Load() - before; n != 0 {
			t.Errorf("%d statements for wrong checksums", n)
		}
		before = s.statements.Load()
		for range 200 {
			guess, _ := token.NewKey("guildhall")
			if got := shape(s.do("GET", "/api/v1/auth/me", guess, nil)); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		if n := s.statements.Load() - before; n < 60 || n > 80 {
			t.Errorf("%d statements for 200 unknown keys", n)
		}
		// The address of the guesses waits; others do not, nor does a key that is known.
		s.do("GET", "/api/v1/auth/me", real, nil).is(401)
		elsewhere := &service{t: t, kernel: s.kernel, app: s.app, ctx: s.ctx, address: "192.0.2.77:1"}
		elsewhere.do("GET", "/api/v1/auth/me", real, nil).is(200)
		s.do("GET", "/api/v1/auth/me", real, nil).is(200)
		s.later(time.Minute)
		next := ada.makesKey().str("key")
		s.do("GET", "/api/v1/auth/me", next, nil).is(200)
	}, func(c *config.Config) { c.RateLimitEnabled = true })
}

// TestAKeyIsStoredAsAHash: 107 and 108. Neither the database nor the log has the key, and no
// answer shows it again.
func TestAKeyIsStoredAsAHash(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		create := func() answer { return ada.post(ada.org("/api-keys"), body("name", "x"), "Idempotency-Key", "once") }
		made := create().is(201)
		again := create().is(201)
		if again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != made.str("id") || again.value("key") != nil || made.str("key") == "" {
			t.Errorf("first %s\nagain %s", made.body, again.body)
		}
		rotate := func() answer {
			return ada.post(ada.org("/api-keys/"+made.str("id")+"/rotate"), body(), "Idempotency-Key", "rotated")
		}
		rotated := rotate().is(201)
		if again := rotate().is(201); again.str("id") != rotated.str("id") || again.value("key") != nil {
			t.Errorf("again %s", again.body)
		}
		key := ada.byKey(rotated)
		key.get("/auth/me").is(200)
		secrets := []string{made.str("key"), rotated.str("key")}
		for _, secret := range secrets {
			if made.str("hint") == secret || len(made.str("hint")) > len("guildhall_key_")+4 {
				t.Errorf("the hint is %s", made.str("hint"))
			}
			secret = strings.TrimPrefix(secret, "guildhall_key_")[4:] // the rest of the hint
			for table, rows := range s.inputContents("sessions", "audit_events", "idempotency_keys", "service_accounts") {
				for _, row := range rows {
					if strings.Contains(fmt.Sprint(row), secret) {
						t.Errorf("%s has the key", table)
					}
				}
			}
			if strings.Contains(s.log.String(), secret) {
				t.Error("the log has the key")
			}
			for _, path := range []string{"/api-keys", "/audit-events"} {
				if a := ada.get(ada.org(path)).is(200); strings.Contains(string(a.body), secret) || strings.Contains(string(a.body), `"key":`) {
					t.Errorf("%s shows the key: %s", path, a.body)
				}
			}
		}
	})
}

// TestAKeyAndItsHolderShareNoIdempotencyKeys: the holder may do what the key may not, so that
// neither gets an answer that was meant for the other.
func TestAKeyAndItsHolderShareNoIdempotencyKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		key := ada.byKey(ada.makesKey("scopes", both))
		invite := func(who *actor) answer {
			return who.post(ada.org("/invitations"), body("email", "x@example.com", "deliver", false), "Idempotency-Key", "one")
		}
		invite(ada).is(201)
		invite(key).is(409, "already_invited")
	})
}

// TestRotationOverlaps: 109.
func TestRotationOverlaps(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		made := ada.makesKey("scopes", both, "expires_at", s.kernel.Now().Add(30*24*time.Hour).Format(time.RFC3339))
		old := ada.byKey(made)
		rotate := func(id string, members ...any) answer {
			return ada.post(ada.org("/api-keys/"+id+"/rotate"), body(members...))
		}
		for _, bad := range []any{-1, 2_592_001, "1", 1.5} {
			inputNames(rotate(made.str("id"), "overlap_seconds", bad), "body.overlap_seconds")
		}
		s.later(10 * 24 * time.Hour)
		ada = s.logInAgain(ada)
		second := rotate(made.str("id"), "overlap_seconds", 3600).is(201)
		fresh := ada.byKey(second)
		if second.str("id") == made.str("id") || second.str("name") != "CI" || fmt.Sprint(second.value("scopes")) != "[read manage]" || second.str("holder.id") != ada.id {
			t.Errorf("%s", second.body)
		}
		if life := timeOf(t, second.str("expires_at")).Sub(timeOf(t, second.str("created_at"))); life < 30*24*time.Hour-2*time.Second || life > 30*24*time.Hour {
			t.Errorf("the new key lives %v", life)
		}
		rotate(made.str("id")).is(409, "already_rotated")
		s.later(59 * time.Minute)
		old.get("/auth/me").is(200)
		fresh.get("/auth/me").is(200)
		ada = s.logInAgain(ada)
		for _, k := range ada.get(ada.org("/api-keys")).is(200).list() {
			if k["is_rotated"] != (k["id"] == made.str("id")) {
				t.Errorf("%v", k)
			}
		}
		s.later(time.Minute)
		old.get("/auth/me").is(401, "invalid_token")
		fresh.get("/auth/me").is(200)
		rotate(made.str("id")).is(404, "api_key_not_found")
		// Without an overlap the old key ends at once, and none lengthens its life.
		third := rotate(second.str("id"), "overlap_seconds", 0).is(201)
		fresh.get("/auth/me").is(401, "invalid_token")
		s.later(29*24*time.Hour + 23*time.Hour)
		ada = s.logInAgain(ada)
		rotate(third.str("id"), "overlap_seconds", 2_592_000).is(201)
		ada.byKey(third).get("/auth/me").is(200)
		s.later(time.Hour)
		ada.byKey(third).get("/auth/me").is(401, "invalid_token")
	})
}

// TestOneOfManyRotationsWins: two successors of one key would be one that nobody knows.
func TestOneOfManyRotationsWins(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		id := ada.makesKey().str("id")
		oneWins(t, 6, 201, 409, func(int) answer { return ada.post(ada.org("/api-keys/"+id+"/rotate"), body()) })
		if n := len(ada.get(ada.org("/api-keys")).list()); n != 2 {
			t.Errorf("%d keys", n)
		}
	})
}

// TestLastUseIsWrittenOnceAMinute: 110.
func TestLastUseIsWrittenOnceAMinute(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		made := ada.makesKey()
		key := ada.byKey(made)
		used := func() any { return ada.get(ada.org("/api-keys")).is(200).list()[0]["last_used_at"] }
		if used() != nil {
			t.Errorf("used at %v before its first use", used())
		}
		moments := map[any]bool{}
		for range 6 {
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() { key.get("/auth/me").is(200) })
			}
			wg.Wait()
			moments[used()] = true
			s.later(10 * time.Second)
		}
		if len(moments) != 1 || moments[nil] {
			t.Errorf("written at %v in a minute", moments)
		}
		// Another process knows nothing of the last use, but the row does.
		first := used()
		again := start(t, s.kernel.Config.DatabaseURL.Reveal())
		again.skew.Store(s.skew.Load() - int64(30*time.Second))
		again.do("GET", "/api/v1/auth/me", key.access, nil).is(200)
		if used() != first {
			t.Error("a second process wrote within the minute")
		}
		s.later(time.Second)
		key.get("/auth/me", "User-Agent", "robot").is(200)
		if used() == first {
			t.Error("not written after a minute")
		}
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE kind = 'key' AND client = 'robot' AND address = '192.0.2.100' AND generation = 1"); n != 1 {
			t.Error("not written from where")
		}
	})
}

// TestOnlyLogInsEnd: 111. What ends the sessions of a person ends no key and revives none.
func TestOnlyLogInsEnd(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		key, ended := ada.byKey(ada.makesKey()), ada.makesKey()
		ada.delete(ada.org("/api-keys/" + ended.str("id"))).is(204)
		lives := func(what string) {
			t.Helper()
			if status := key.get("/auth/me").status; status != 200 {
				t.Errorf("after %s the key gets %d", what, status)
			}
			ada.byKey(ended).get("/auth/me").is(401)
		}
		ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", "five boxing wizards")).is(204)
		lives("a new password")
		ada.post("/auth/logout", body("all", true)).is(204)
		lives("a log-out everywhere")
		ada = s.actorOf(s.logIn(ada.email, "five boxing wizards"))
		root.delete("/users/" + ada.id + "/sessions").is(204)
		ada.get("/auth/me").is(401)
		lives("an operator")
		root.post("/users/"+ada.id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		key.get("/auth/me").is(401)
		root.post("/users/"+ada.id+"/activate", body("scope", "account")).is(200)
		lives("a suspension")
		root.post("/users/"+ada.id+"/deactivate", body("scope", "account")).is(200)
		key.get("/auth/me").is(401)
		root.post("/users/"+ada.id+"/activate", body("scope", "account")).is(200)
		lives("a deactivation")
		s.later(8 * 24 * time.Hour)
		s.swept()
		lives("a sweep")
		if last := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ? AND kind = 'log_in' AND organization_id IS NOT NULL", ada.id); last == 0 {
			t.Error("the last log-in was swept because a key was used later")
		}
		s.later(200 * 24 * time.Hour)
		s.swept()
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ? AND kind = 'key'", ada.id); n != 0 {
			t.Errorf("%d keys stay after they expired", n)
		}
	})
}

// TestKeysOfAThief: a key that somebody made with a stolen password is no way back once the
// person says that it was not them.
func TestKeysOfAThief(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		key := ada.byKey(ada.makesKey("scopes", both))
		ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", "five boxing wizards")).is(204)
		key.get("/auth/me").is(200)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "password_changed").link()).is(204)
		key.get("/auth/me").is(401, "invalid_token")
	}, withMailbox)
}

// TestKeysEndInTime: how long a key may live.
func TestKeysEndInTime(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		in := func(d time.Duration) string { return s.kernel.Now().Add(d).Format(time.RFC3339) }
		try := func(end any) answer { return ada.post(ada.org("/api-keys"), body("name", "x", "expires_at", end)) }
		for _, bad := range []any{nil, in(-time.Hour), in(366 * 24 * time.Hour), "tomorrow"} {
			inputNames(try(bad), "body.expires_at")
		}
		key := ada.byKey(try(in(time.Hour)).is(201))
		key.get("/auth/me").is(200)
		s.later(time.Hour)
		key.get("/auth/me").is(401, "invalid_token")
		ada = s.logInAgain(ada)
		try(in(364 * 24 * time.Hour)).is(201)
	})
}

func TestEndlessKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		if end := ada.makesKey().value("expires_at"); end == nil {
			t.Error("a key is endless although nobody asked")
		}
		made := ada.makesKey("expires_at", nil)
		if made.value("expires_at") != nil || !strings.HasPrefix(made.str("key"), "acme_key_") {
			t.Errorf("%s", made.body)
		}
		s.later(50 * 365 * 24 * time.Hour)
		ada.byKey(made).get("/auth/me").is(200)
		ada = s.logInAgain(ada)
		if next := ada.post(ada.org("/api-keys/"+made.str("id")+"/rotate"), body()).is(201); next.value("expires_at") != nil {
			t.Errorf("%s", next.body)
		}
		ada.byKey(made).get("/auth/me").is(200)
		s.later(25 * time.Hour)
		ada.byKey(made).get("/auth/me").is(401)
	}, func(c *config.Config) { c.APIKeyLongest, c.APIKeyPrefix = 0, "acme" })
}

// TestServiceAccounts: a program among the members.
func TestServiceAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, root := s.person("Ada"), s.person("Eve"), s.operator("Root")
		member := s.person("Member").joins(ada, false).of(ada)
		admin := s.person("Admin").joins(ada, true).of(ada)
		member.post(ada.org("/service-accounts"), body("name", "x")).is(403, "insufficient_role")
		member.get(ada.org("/service-accounts")).is(403, "insufficient_role")
		eve.get(ada.org("/service-accounts")).is(404, "organization_not_found")
		made := admin.post(ada.org("/service-accounts"), body("name", "Export", "description", "nightly")).is(201)
		id := made.str("id")
		if made.str("role") != "member" || made.str("standing") != "good" || made.str("description") != "nightly" {
			t.Errorf("%s", made.body)
		}
		m := ada.get(ada.org("/members/" + id)).is(200)
		if m.str("kind") != "service" || m.str("email") != id+"@service.invalid" || m.str("name") != "Export" {
			t.Errorf("%s", m.body)
		}
		if ada.get(ada.org("/members/"+ada.id)).str("kind") != "person" {
			t.Error("a person is no person")
		}
		kinds := map[any]int{}
		for _, v := range ada.get(ada.org("/members?q=e")).list() {
			kinds[v["kind"]]++
		}
		for _, v := range ada.get(ada.org("/members")).list() {
			kinds[v["kind"]]++
		}
		if kinds["service"] < 1 || kinds["person"] < 3 {
			t.Errorf("%v", kinds)
		}
		other := ada.machine("Other")
		list := admin.get(ada.org("/service-accounts?count=true&limit=1")).is(200)
		if list.header.Get("X-Total-Count") != "2" || len(list.list()) != 1 || list.list()[0]["id"] != id {
			t.Errorf("%s", list.body)
		}
		next := s.do("GET", list.links()["next"], admin.access, nil).is(200)
		if next.list()[0]["id"] != other || s.do("GET", next.links()["prev"], admin.access, nil).list()[0]["id"] != id {
			t.Errorf("%s", next.body)
		}
		if n := len(ada.get(ada.org("/audit-events?action=service_account.created")).list()); n != 2 {
			t.Errorf("%d in the log", n)
		}

		key := ada.byKey(admin.of(ada).makesKey("user_id", id))
		if me := key.get("/auth/me").is(200); me.str("id") != id || me.str("organization.role") != "member" {
			t.Errorf("%s", me.body)
		}
		// The routes of members work for it.
		ada.post(ada.org("/admins"), body("user_id", id)).is(201)
		if key.get("/auth/me").str("organization.role") != "admin" {
			t.Error("it was not promoted")
		}
		ada.post(ada.org("/members/"+id+"/suspend"), because()).is(200)
		key.get("/auth/me").is(403, "membership_suspended")
		ada.post(ada.org("/members/"+id+"/activate"), nil).is(200)
		ada.delete(ada.org("/admins/" + id)).is(204)

		// It has no password, owns nothing, and joins no other organization.
		s.logIn(id+"@service.invalid", password).is(401, "invalid_credentials")
		ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", id)).is(409, "service_account")
		root.post(ada.org("/transfer-ownership"), body("new_owner_user_id", id)).is(409, "service_account")
		eve.post(eve.org("/members"), body("user_id", id)).is(404, "user_not_found")
		eve.post(eve.org("/members"), body("email", id+"@service.invalid")).is(404, "user_not_found")
		inputNames(eve.post(eve.org("/members/batch"), body("user_ids", []string{id})), "body.user_ids[0]")

		// A removal ends its keys and archives it.
		admin.delete(ada.org("/members/" + id)).is(204)
		key.get("/auth/me").is(401, "invalid_token")
		if v := root.get("/users/" + id).is(200); v.value("is_archived") != true {
			t.Errorf("%s", v.body)
		}
		if n := len(admin.get(ada.org("/service-accounts")).list()); n != 1 {
			t.Errorf("%d are listed", n)
		}
		root.post("/users/"+id+"/unarchive", nil).is(200)
		ada.post(ada.org("/members"), body("user_id", id)).is(404, "user_not_found")
		key.get("/auth/me").is(401, "invalid_token")
		s.isSound()
	})
}

// TestServiceAccountsGetNoMail checks that no mail is sent to an address that no server has.
func TestServiceAccountsGetNoMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		id := ada.machine("M")
		ada.post(ada.org("/admins"), body("user_id", id)).is(201)
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "reset_password", "email", id+"@service.invalid")).is(201)
		ada.delete(ada.org("/members/" + id)).is(204)
		if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE recipient LIKE '%service.invalid'"); n != 0 {
			t.Errorf("%d mails", n)
		}
		if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE state = 'decoy'"); n == 0 {
			t.Error("nothing was skipped")
		}
	}, func(c *config.Config) {
		c.Mail = config.Mail{Transport: "mailbox", From: "a@example.com", DefaultLocale: "en"}
	})
}

// TestTheSchemaKnowsWhatAKeyIs: the database refuses half a key.
func TestTheSchemaKnowsWhatAKeyIs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		id := ada.makesKey().str("id")
		for _, change := range []string{
			"secret_hash = NULL", "organization_id = NULL", "generation = 2", "scopes = ''", "scopes = NULL", "name = NULL", "hint = NULL", "kind = 'log_in'", "kind = 'other'",
		} {
			err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
				_, err := s.kernel.DB.Exec(ctx, "UPDATE sessions SET "+change+" WHERE id = ?", id)
				return err
			})
			if err == nil {
				t.Errorf("accepted: %s", change)
			}
		}
	})
}

// TestAKeyCostsWhatATokenCosts: one statement of the gate, and on SQLite none for a caller in
// good standing who was here before.
func TestAKeyCostsWhatATokenCosts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		key := ada.byKey(ada.makesKey())
		cost := func(who *actor) int64 {
			before := s.statements.Load()
			who.get("/auth/me").is(200)
			return s.statements.Load() - before
		}
		key.get("/auth/me").is(200) // looked up, and the use is stored
		ada.get("/auth/me").is(200)
		for range 3 {
			if k, j := cost(key), cost(ada); k != j || k > 1 {
				t.Errorf("%d statements by key, %d by token", k, j)
			}
		}
		if s.kernel.DB.Driver() == "sqlite" && cost(key) != 0 {
			t.Error("the gate does not remember the holder")
		}
	})
}

// TestTheUseOfAKeyLeavesTheGateItsMemory: the column is harmless.
func TestTheUseOfAKeyLeavesTheGateItsMemory(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada, grace := s.person("Ada"), s.person("Grace")
	key := grace.byKey(grace.makesKey())
	asks := func() int64 {
		before := s.statements.Load()
		ada.get("/auth/me").is(200)
		return s.statements.Load() - before
	}
	asks()
	asks()
	key.get("/auth/me").is(200)
	s.later(2 * time.Minute)
	key.get("/auth/me").is(200)
	if n := asks(); n != 0 {
		t.Errorf("%d statements after a key was used", n)
	}
}

// TestKeysInARow checks the pages of the list, forward and backward.
func TestKeysInARow(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		var want []string
		for i := range 5 {
			want = append(want, ada.makesKey("name", fmt.Sprint(i)).str("id"))
		}
		var got []string
		var prev string
		for next := "/api/v1" + ada.org("/api-keys?limit=2"); next != ""; {
			a := s.do("GET", next, ada.access, nil).is(200)
			for _, k := range a.list() {
				got = append(got, k["id"].(string))
			}
			next, prev = a.links()["next"], a.links()["prev"]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		var back []map[string]any
		if err := json.Unmarshal(s.do("GET", prev, ada.access, nil).is(200).body, &back); err != nil || len(back) != 2 || back[0]["id"] != want[2] {
			t.Errorf("back: %v", back)
		}
	})
}

// TestARestoreListsTheKeys: 111. A restore ends no key, because it may be the only way in of a
// program, but says which work, and can end them.
func TestARestoreListsTheKeys(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, to string) {
		s := start(t, platformtest.SQLiteURL(t))
		ada := s.person("Ada")
		made, revoked := ada.makesKey("name", "Kept"), ada.makesKey("name", "Gone")
		ada.delete(ada.org("/api-keys/" + revoked.str("id"))).is(204)
		dir := t.TempDir()
		file := filepath.Join(dir, "keys.db")
		if err := s.kernel.DB.CopyFile(everything, file); err != nil {
			t.Fatal(err)
		}
		out, status := run(t, dir, inProduction(to), "restore", file)
		if status != 0 || !strings.Contains(out, `works: `+made.str("id")) || strings.Contains(out, "Gone") || strings.Contains(out, made.str("key")) {
			t.Fatalf("%d\n%s", status, out)
		}
		there := start(t, to)
		there.do("GET", "/api/v1/auth/me", made.str("key"), nil).is(200)
		there.do("GET", "/api/v1/auth/me", revoked.str("key"), nil).is(401)
		there.do("GET", "/api/v1/auth/me", ada.access, nil).is(401)

		ended := platformtest.SQLiteURL(t)
		out, status = run(t, dir, inProduction(ended), "restore", "--end-keys", "--json", file)
		if status != 0 || !strings.Contains(out, `"api_keys": []`) {
			t.Fatalf("%d\n%s", status, out)
		}
		start(t, ended).do("GET", "/api/v1/auth/me", made.str("key"), nil).is(401)
	})
}
