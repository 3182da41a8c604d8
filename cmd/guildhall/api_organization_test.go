package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const nowhere = "01900000-0000-7000-8000-000000000000" // an id that nothing has

func body(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func because() map[string]any { return body("reason", "because") }

func TestFoundingAnOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		a := ada.post("/organizations/", body("name", "  Engines  ")).is(201)
		if a.header.Get("Location") != "/api/v1/organizations/"+a.str("id") || a.str("name") != "Engines" ||
			a.str("is_active") != "true" || a.str("is_suspended") != "false" || a.str("is_archived") != "false" {
			t.Errorf("%s %s", a.header.Get("Location"), a.body)
		}
		for _, name := range []string{"created_at", "updated_at"} {
			if at, err := time.Parse(time.RFC3339Nano, a.str(name)); err != nil || !strings.HasSuffix(a.str(name), "Z") || time.Since(at) > time.Minute {
				t.Errorf("%s: %s", name, a.str(name))
			}
		}
		owner := ada.get("/organizations/" + a.str("id") + "/owner").is(200)
		if owner.str("id") != ada.id || owner.str("role") != "owner" {
			t.Errorf("owner: %s", owner.body)
		}
		list := ada.get("/organizations").is(200).list()
		if len(list) != 2 || list[1]["id"] != a.str("id") || list[1]["role"] != "owner" || list[1]["joined_at"] == nil {
			t.Errorf("list: %v", list)
		}
		mine := ada.get("/auth/me/organizations").is(200)
		if got := mine.object()["organizations"].([]any); len(got) != 2 || got[0].(map[string]any)["name"] != "Ada's Organization" {
			t.Errorf("mine: %s", mine.body)
		}
	})
}

func TestUnknownAndForeignAreTheSame(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		stripped := func(a answer, id string) string {
			text := strings.ReplaceAll(string(a.body), a.str("request_id"), "REQUEST")
			return strings.ReplaceAll(text, id, "ID")
		}
		for _, ask := range []func(id string) answer{
			func(id string) answer { return grace.get("/organizations/" + id) },
			func(id string) answer { return grace.patch("/organizations/"+id, body("name", "Mine now")) },
			func(id string) answer { return grace.post("/organizations/"+id+"/archive", because()) },
			func(id string) answer { return grace.get("/organizations/" + id + "/members") },
			func(id string) answer { return grace.post("/organizations/"+id+"/members", body("user_id", grace.id)) },
			func(id string) answer { return grace.delete("/organizations/" + id + "/members/" + ada.id) },
			func(id string) answer { return grace.get("/organizations/" + id + "/permissions/" + grace.id) },
			func(id string) answer { return grace.get("/users", "X-Organization-ID", id) },
			func(id string) answer { return grace.post("/auth/switch-organization", body("organization_id", id)) },
		} {
			foreign, unknown := ask(ada.organization).is(404), ask(nowhere).is(404)
			if stripped(foreign, ada.organization) != stripped(unknown, nowhere) {
				t.Errorf("%s\n%s", foreign.body, unknown.body)
			}
		}
		for _, ask := range []func(id string) answer{
			func(id string) answer { return grace.get("/users/" + id) },
			func(id string) answer { return grace.patch("/users/"+id+"/profile", body("name", "Mine now")) },
			func(id string) answer { return grace.post("/users/"+id+"/suspend", because()) },
			func(id string) answer { return grace.post("/users/"+id+"/archive", because()) },
			func(id string) answer { return grace.post("/users/"+id+"/unarchive", nil) },
			func(id string) answer { return grace.delete(grace.org("/members/" + id)) },
			func(id string) answer { return grace.post(grace.org("/admins"), body("user_id", id)) },
			func(id string) answer { return grace.get(grace.org("/permissions/" + id)) },
			func(id string) answer {
				return grace.post(grace.org("/transfer-ownership"), body("new_owner_user_id", id))
			},
		} {
			foreign, unknown := ask(ada.id), ask(nowhere)
			if foreign.status < 400 || foreign.status != unknown.status || stripped(foreign, ada.id) != stripped(unknown, nowhere) {
				t.Errorf("%d %s\n%d %s", foreign.status, foreign.body, unknown.status, unknown.body)
			}
		}
	})
}

func TestRenamingAnOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin, member := s.person("Grace").joins(ada, true), s.person("Charles").joins(ada, false)
		s.later(time.Second)
		a := admin.patch(ada.org(""), body("name", "Difference Engines")).is(200)
		if a.str("name") != "Difference Engines" || a.str("updated_at") <= a.str("created_at") {
			t.Errorf("renamed: %s", a.body)
		}
		member.patch(ada.org(""), body("name", "Mine")).is(403, "insufficient_role")
		if got := member.get(ada.org("")).is(200).str("name"); got != "Difference Engines" {
			t.Errorf("name: %s", got)
		}
	})
}

func TestASuspendedOrganizationStandsStill(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin := s.person("Grace").joins(ada, true)
		admin.post(ada.org("/suspend"), because()).is(403, "insufficient_role")
		ada.post(ada.org("/suspend"), body("reason", "r", "suspended_until", s.kernel.Now().Add(-time.Second))).is(422, "validation_failed")
		a := ada.post(ada.org("/suspend"), body("reason", "r", "suspended_until", s.kernel.Now().Add(time.Hour))).is(200)
		if a.str("is_suspended") != "true" {
			t.Errorf("suspended: %s", a.body)
		}
		ada.post(ada.org("/suspend"), because()).is(409, "already_suspended")
		for _, who := range []*actor{ada, admin} {
			who.get(ada.org("")).is(200)
			who.get(ada.org("/members")).is(403, "organization_suspended")
			who.patch(ada.org(""), body("name", "x")).is(403, "organization_suspended")
			who.get("/users").is(403, "organization_suspended")
			who.get("/organizations").is(200)
		}
		s.actorOf(s.logIn(admin.email, password).is(200)).get("/auth/me").is(200)

		s.later(time.Hour + time.Second) // it ends by itself
		admin.get(ada.org("/members")).is(401)
		admin = s.actorOf(s.logIn(admin.email, password))
		ada = &actor{s: s, id: ada.id, email: ada.email, organization: ada.organization, access: s.logIn(ada.email, password).str("access_token")}
		admin.get(ada.org("/members")).is(200)
		if got := ada.get(ada.org("")).str("is_suspended"); got != "false" {
			t.Errorf("is_suspended: %s", got)
		}
		ada.post(ada.org("/suspend"), because()).is(200)
		ada.post(ada.org("/activate"), nil).is(200)
		ada.post(ada.org("/activate"), nil).is(200) // in good standing already
		admin.get(ada.org("/members")).is(200)
		if n := s.count("SELECT COUNT(*) FROM organization_suspensions"); n != 2 {
			t.Errorf("%d suspensions on record", n)
		}
		if n := s.count("SELECT COUNT(*) FROM organization_suspensions WHERE lifted_at = suspended_until AND lifted_by IS NULL"); n != 1 {
			t.Errorf("%d ended by themselves", n)
		}
		if n := s.count("SELECT COUNT(*) FROM organization_suspensions WHERE lifted_by = ?", ada.id); n != 1 {
			t.Errorf("%d lifted by the owner", n)
		}
	})
}

// TestASuspendedOrganizationAuthorizesNobody asks for the caller's role, as the back end of
// a product does. It must get the refusal that the routes of the organization give.
func TestASuspendedOrganizationAuthorizesNobody(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		named := []string{"X-Organization-ID", ada.organization}
		for _, who := range []*actor{ada, grace, operator} {
			who.get("/auth/me", named...).is(200)
		}
		ada.post(ada.org("/suspend"), because()).is(200)
		for _, who := range []*actor{ada, grace} {
			who.get("/auth/me", named...).is(403, "organization_suspended")
			who.get("/auth/sessions", named...).is(200) // about the account, not the organization
		}
		if got := operator.get("/auth/me", named...).is(200).str("organization.is_suspended"); got != "" && got != "true" {
			t.Errorf("a platform administrator sees %q", got)
		}
		// Without the header, the organization of the token is shown as suspended.
		if got := ada.get("/auth/me").is(200); got.str("organization.id") != ada.organization || got.str("organization.is_suspended") != "true" {
			t.Errorf("%s", got.body)
		}
		ada.post(ada.org("/activate"), nil).is(200)
		if got := grace.get("/auth/me", named...).is(200).str("organization.is_suspended"); got != "false" {
			t.Errorf("is_suspended is %s", got)
		}
	})
}

func TestWhatThePlatformSuspendedAnOwnerCantLift(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		operator.post(ada.org("/suspend"), because()).is(200)
		ada.post(ada.org("/activate"), nil).is(403, "suspended_by_platform")
		ada.get(ada.org("/members")).is(403, "organization_suspended")
		operator.get(ada.org("/members")).is(200)
		operator.post(ada.org("/activate"), nil).is(200)
		ada.get(ada.org("/members")).is(200)
	})
}

func TestAnArchivedOrganizationIsGone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		admin := s.person("Grace").joins(ada, true)
		admin.post(ada.org("/archive"), because()).is(403, "insufficient_role")
		a := ada.post(ada.org("/archive"), because()).is(200)
		if a.str("is_archived") != "true" || a.str("is_active") != "false" {
			t.Errorf("archived: %s", a.body)
		}
		ada.post(ada.org("/archive"), because()).is(409, "already_archived")
		admin.get(ada.org("")).is(404, "organization_not_found")
		admin.post(ada.org("/unarchive"), nil).is(404, "organization_not_found")
		ada.get(ada.org("")).is(200)
		ada.get(ada.org("/members")).is(404, "organization_not_found")
		ada.patch(ada.org(""), body("name", "x")).is(404, "organization_not_found")

		has := func(who *actor, query string, want bool) {
			t.Helper()
			found := strings.Contains(string(who.get("/organizations"+query).is(200).body), ada.organization)
			if found != want {
				t.Errorf("%s in %s: %v", who.email, query, found)
			}
		}
		has(ada, "", false)
		has(ada, "?include_archived=true", true)
		has(admin, "?include_archived=true", false)
		has(operator, "?scope=all", false)
		has(operator, "?scope=all&include_archived=true", true)
		admin.get("/organizations?scope=all").is(403, "platform_administrator_required")
		if got := string(ada.get("/auth/me/organizations").body); strings.Contains(got, ada.organization) {
			t.Errorf("choices: %s", got)
		}

		ada.post(ada.org("/unarchive"), body("reason", "It goes on.")).is(200)
		ada.post(ada.org("/unarchive"), nil).is(409, "not_archived")
		admin.get(ada.org("/members")).is(200)
	})
}

func TestOfTwoSuspensionsOneIsOpen(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for range 4 {
			oneWins(t, 4, 200, 409, func(int) answer { return ada.post(ada.org("/suspend"), because()) })
			ada.post(ada.org("/activate"), nil).is(200)
		}
	})
}

func TestTheOrganizationsOfAPerson(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		grace := s.person("Grace")
		own := grace.organization
		grace.joins(ada, true)
		bob := s.person("Bob")
		grace.joins(bob, false)
		ada.post(grace.member(ada, "/suspend"), because()).is(200)
		path := grace.path() + "/organizations"
		of := func(a *actor, query string) (list []string) {
			for _, o := range a.get(path + query).is(200).list() {
				if o["joined_at"] == nil || o["name"] == "" {
					t.Errorf("%v", o)
				}
				list = append(list, strings.Join([]string{o["id"].(string), o["role"].(string), o["standing"].(string)}, " "))
			}
			return list
		}
		want := []string{own + " owner good", ada.organization + " admin suspended", bob.organization + " member good"}
		slices.Sort(want)
		for _, a := range []*actor{grace, root} {
			if got := of(a, ""); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		bob.post(grace.member(bob, "/deactivate"), nil).is(200)
		if got := of(root, ""); !slices.Contains(got, bob.organization+" member inactive") {
			t.Errorf("%v", got)
		}
		root.post("/organizations/"+own+"/archive", because()).is(200)
		root.post(bob.org("/archive"), because()).is(200)
		if got := of(root, ""); len(got) != 1 {
			t.Errorf("%v", got)
		}
		if got := of(root, "?include_archived=true"); len(got) != 2 || !slices.Contains(got, own+" owner good") {
			t.Errorf("with those that she owns: %v", got)
		}
		if got := root.get(path + "?include_archived=true&count=true&limit=1").is(200); got.header.Get("X-Total-Count") != "2" || len(got.list()) != 1 {
			t.Errorf("%s %s", got.header.Get("X-Total-Count"), got.body)
		}
		ada.get(path).is(403, "not_yourself")
		s.person("Stranger").get(path).is(404, "user_not_found")
		root.get("/users/"+nowhere+"/organizations").is(404, "user_not_found")
	})
}
