package main

import (
	"strings"
	"testing"
	"time"
)

func TestAProfileIsItsOwners(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		change := func(b map[string]any) answer { return ada.patch("/users/"+ada.id+"/profile", b) }
		s.later(time.Second)
		a := change(body("name", " Ada Lovelace ", "bio", "Wrote.\n", "avatar_url", "https://example.com/a.png")).is(200)
		if a.str("name") != "Ada Lovelace" || a.str("bio") != "Wrote.\n" || a.str("avatar_url") != "https://example.com/a.png" || a.str("updated_at") <= a.str("created_at") {
			t.Errorf("changed: %s", a.body)
		}
		a = change(body("bio", nil)).is(200)
		if a.object()["bio"] != nil || a.str("avatar_url") == "" || a.str("name") != "Ada Lovelace" {
			t.Errorf("cleared: %s", a.body)
		}
		a = change(body("avatar_url", nil)).is(200)
		if a.object()["avatar_url"] != nil {
			t.Errorf("cleared: %s", a.body)
		}
		change(body()).is(200)
		change(body("name", nil)).is(422, "validation_failed")
		for _, url := range []string{"http://example.com/a.png", "javascript:alert(1)", "//example.com", "https://", "https://127.0.0.1/", "https://u:p@example.com/", "https://ex\"ample.com/"} {
			change(body("avatar_url", url)).is(422, "validation_failed")
		}
		grace.joins(ada, false).patch("/users/"+ada.id+"/profile", body("name", "x")).is(403, "not_yourself")
		if got := grace.get("/users/" + ada.id).is(200).str("name"); got != "Ada Lovelace" {
			t.Errorf("name: %s", got)
		}
	})
}

func TestPeopleAreSeenByThoseWhoShareAnOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, operator := s.person("Ada"), s.person("Grace"), s.operator("Operator")
		grace.get("/users/"+ada.id).is(404, "user_not_found")
		grace.get("/users/" + grace.id).is(200)
		operator.get("/users/" + ada.id).is(200)
		grace.joins(ada, false)
		grace.get("/users/" + ada.id).is(200) // with the token that names her own organization
		ada.get("/users/" + grace.id).is(200)

		ada.post("/users/"+grace.id+"/suspend", because()).is(200)
		grace.get("/users/"+ada.id).is(404, "user_not_found") // nothing is shared while suspended there
		if a := ada.get("/users/" + grace.id).is(200); a.str("is_suspended") != "true" {
			t.Errorf("seen from the organization: %s", a.body)
		}
		if a := grace.get("/users/" + grace.id).is(200); a.str("is_suspended") != "false" {
			t.Errorf("seen from her own organization: %s", a.body)
		}
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		ada.get("/users/"+grace.id).is(404, "user_not_found")
	})
}

func TestListingPeople(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, operator := s.person("Ada"), s.operator("Operator")
		grace := s.person("Grace").joins(ada, false)
		s.person("Charles")
		people := grace.get("/users").is(200).list()
		if len(people) != 2 || people[0]["id"] != ada.id || people[1]["id"] != grace.id {
			t.Errorf("people: %v", people)
		}
		grace.get("/users?scope=all").is(403, "platform_administrator_required")
		if everybody := operator.get("/users?scope=all").is(200).list(); len(everybody) != 4 {
			t.Errorf("everybody: %v", everybody)
		}
		if theirs := operator.get("/users", "X-Organization-ID", ada.organization).is(200).list(); len(theirs) != 2 {
			t.Errorf("theirs: %v", theirs)
		}
	})
}

func TestAnOrganizationsPowerEndsAtItsDoor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin, grace := s.person("Admin").joins(ada, true), s.person("Grace")
		inAda := grace.joins(ada, false)
		for _, c := range []struct{ verb, code string }{{"suspend", "membership_suspended"}, {"deactivate", "membership_inactive"}} {
			b := body()
			if c.verb == "suspend" {
				b = because()
			}
			a := admin.post("/users/"+grace.id+"/"+c.verb, b).is(200)
			if (a.str("is_suspended") == "true") != (c.verb == "suspend") || (a.str("is_active") == "true") != (c.verb == "suspend") {
				t.Errorf("%s: %s", c.verb, a.body)
			}
			inAda.get(ada.org("/members")).is(403, c.code)
			inAda.get(ada.org("")).is(403, c.code)
			inAda.get("/users").is(403, c.code)
			inAda.get("/auth/me").is(200)
			grace.get(grace.org("/members")).is(200)
			s.logIn(grace.email, password).is(200)
			b["scope"] = "account"
			admin.post("/users/"+grace.id+"/"+c.verb, b).is(403, "platform_administrator_required")
			ada.post("/users/"+grace.id+"/"+c.verb, b).is(403, "platform_administrator_required")
			if a := admin.post("/users/"+grace.id+"/activate", nil).is(200); a.str("is_active") != "true" || a.str("is_suspended") != "false" {
				t.Errorf("activated: %s", a.body)
			}
			inAda.get(ada.org("/members")).is(200)
		}
		admin.post("/users/"+grace.id+"/suspend", because()).is(200)
		admin.post("/users/"+grace.id+"/suspend", because()).is(409, "already_suspended")
		admin.post("/users/"+grace.id+"/activate", body("scope", "nothing")).is(422, "validation_failed")
	})
}

func TestASuspensionInAnOrganizationEndsByItself(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		ada.post("/users/"+grace.id+"/suspend", body("reason", "r", "suspended_until", s.kernel.Now().Add(-time.Minute))).is(422, "validation_failed")
		ada.post("/users/"+grace.id+"/suspend", body("reason", "r", "suspended_until", s.kernel.Now().Add(time.Minute).Format("2006-01-02T15:04:05.999999-07:00"))).is(200)
		grace.get(ada.org("/members")).is(403, "membership_suspended")
		s.later(61 * time.Second)
		grace.get(ada.org("/members")).is(200)
		ada.post("/users/"+grace.id+"/suspend", because()).is(200) // the old suspension has ended, so a new one is possible
		grace.get(ada.org("/members")).is(403, "membership_suspended")
		if n := s.count("SELECT COUNT(*) FROM user_suspensions WHERE lifted_at IS NULL"); n != 1 {
			t.Errorf("%d are open", n)
		}
	})
}

func TestWhoMayChangeWhoseStanding(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada, outsider := s.operator("Operator"), s.person("Ada"), s.person("Outsider")
		one, two := s.person("One").joins(ada, true), s.person("Two").joins(ada, true)
		member := s.person("Member").joins(ada, false)
		suspend := func(who *actor, id string) answer { return who.post("/users/"+id+"/suspend", because()) }
		suspend(one, one.id).is(403, "own_standing")
		suspend(ada, ada.id).is(403, "own_standing")
		suspend(one, two.id).is(403, "equal_or_higher_role")
		suspend(one, ada.id).is(403, "equal_or_higher_role")
		suspend(member, one.id).is(403, "insufficient_role")
		suspend(one, outsider.id).is(404, "user_not_found")
		suspend(one, nowhere).is(404, "user_not_found")
		suspend(ada, one.id).is(200)
		suspend(two, member.id).is(200)
		operator.post("/users/"+ada.id+"/suspend", because(), "X-Organization-ID", ada.organization).is(409, "owner_required")
		operator.post("/users/"+ada.id+"/deactivate", nil, "X-Organization-ID", ada.organization).is(409, "owner_required")
		operator.post("/users/"+operator.id+"/suspend", body("reason", "r", "scope", "account")).is(403, "own_standing")
		operator.post("/users/"+nowhere+"/suspend", body("reason", "r", "scope", "account")).is(404, "user_not_found")
		suspend(one, member.id).is(403, "membership_suspended") // a suspended admin has no permissions there
	})
}

func TestArchivingAnAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		archive := func(who *actor, id string) answer { return who.post("/users/"+id+"/archive", because()) }
		archive(ada, grace.id).is(403, "not_yourself")
		archive(ada, ada.id).is(409, "owner_required")
		ada.get("/auth/me").is(200) // the account was not changed
		if n := s.count("SELECT COUNT(*) FROM user_archives"); n != 0 {
			t.Error("an archive row was left")
		}
		ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id)).is(200)
		if a := archive(ada, ada.id).is(200); a.str("is_archived") != "true" || a.str("is_active") != "false" {
			t.Errorf("archived: %s", a.body)
		}
		ada.get("/auth/me").is(401, "invalid_token")
		s.logIn(ada.email, password).is(403, "account_archived")
		archive(operator, ada.id).is(409, "already_archived")
		operator.post("/users/"+ada.id+"/activate", body("scope", "account")).is(409, "account_archived")
		grace.post("/users/"+ada.id+"/unarchive", nil).is(403, "platform_administrator_required")
		operator.post("/users/"+ada.id+"/unarchive", body("reason", "Came back.")).is(200)
		operator.post("/users/"+ada.id+"/unarchive", nil).is(409, "not_archived")
		ada = s.actorOf(s.logIn(ada.email, password).is(200))
		ada.get("/auth/me").is(200)

		alone := s.person("Alone") // and the organization goes too
		archive(operator, alone.id).is(200)
		operator.get(alone.org("")).is(200)
		if got := operator.get(alone.org("")).str("is_archived"); got != "true" {
			t.Errorf("is_archived: %s", got)
		}
		if members := grace.get(ada.org("/members")); strings.Contains(string(members.body), alone.id) {
			t.Error("strangers see each other")
		}
	})
}
