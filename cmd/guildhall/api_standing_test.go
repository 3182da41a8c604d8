package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// member is the path of the person in the owner's organization.
func (a *actor) member(owner *actor, rest string) string {
	return owner.org("/members/" + a.id + rest)
}

// TestStandingInTheOrganizationOfThePath suspends, deactivates and activates members with
// tokens whose active organization is another one.
func TestStandingInTheOrganizationOfThePath(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, eve := s.operator("Root"), s.person("Ada"), s.person("Eve")
		grace := s.person("Grace")
		grace.joins(ada, false)
		grace.joins(eve, false)
		admin, other := s.person("Admin").joins(ada, true), s.person("Other").joins(ada, true)
		admin = admin.in(admin) // back in their own organization

		a := admin.post(grace.member(ada, "/suspend"), because()).is(200)
		if a.str("organization_id") != ada.organization || a.str("user_id") != grace.id || a.str("role") != "member" ||
			a.str("standing") != "suspended" || a.str("suspension.suspended_by") != admin.id {
			t.Errorf("suspended: %s", a.body)
		}
		grace.get(ada.org("/members")).is(403, "membership_suspended")
		grace.get(eve.org("/members")).is(200)
		admin.post(grace.member(ada, "/suspend"), because()).is(409, "already_suspended")
		a = root.post(grace.member(ada, "/activate"), nil).is(200)
		if a.str("standing") != "good" || a.object()["suspension"] != nil {
			t.Errorf("activated: %s", a.body)
		}
		grace.get(ada.org("/members")).is(200)
		if a := ada.post(grace.member(ada, "/deactivate"), nil).is(200); a.str("standing") != "inactive" {
			t.Errorf("deactivated: %s", a.body)
		}
		grace.get(ada.org("/members")).is(403, "membership_inactive")
		ada.post(grace.member(ada, "/activate"), nil).is(200)
		for _, action := range []string{"user.suspended", "user.activated", "user.deactivated"} {
			ada.eventDetails(ada.org(""), action)
		}
		if n := len(eve.get(eve.org("/audit-events?action=user.suspended")).is(200).list()); n != 0 {
			t.Errorf("%d suspensions in the other organization", n)
		}

		unknown := strings.Replace(grace.member(ada, ""), grace.id, nowhere, 1)
		for verb, b := range map[string]any{"suspend": because(), "activate": nil, "deactivate": nil} {
			change := func(who *actor, path string) answer { return who.post(path+"/"+verb, b) }
			change(eve, grace.member(ada, "")).is(404, "organization_not_found")
			change(grace, other.member(ada, "")).is(403, "insufficient_role")
			change(grace, grace.member(ada, "")).is(403, "insufficient_role")
			change(admin, admin.member(ada, "")).is(403, "own_standing")
			change(admin, other.member(ada, "")).is(403, "equal_or_higher_role")
			change(admin, ada.member(ada, "")).is(403, "equal_or_higher_role")
			for _, who := range []*actor{admin, ada, root} {
				never, no := change(who, eve.member(ada, "")).is(404, "member_not_found"), change(who, unknown).is(404, "member_not_found")
				if never.str("detail") != no.str("detail") || strings.Contains(never.str("detail"), "scope") {
					t.Errorf("%s and %s", never.body, no.body)
				}
			}
			if verb != "activate" {
				change(root, ada.member(ada, "")).is(409, "owner_required")
			}
			s.do("POST", "/api/v1"+grace.member(ada, "/"+verb), "", b).is(401, "authentication_required")
		}
		admin.post(grace.member(ada, "/suspend"), body("reason", "r", "suspended_until", s.kernel.Now())).is(422, "validation_failed")
		ada.post(other.member(ada, "/suspend"), because()).is(200)
		other.post(grace.member(ada, "/suspend"), because()).is(403, "membership_suspended")
	})
}

// TestASuspensionOutlivesTheMembership checks that a removed member who is added again is
// still suspended, that the answer says so, and that the suspension can be lifted also
// while they are not a member.
func TestASuspensionOutlivesTheMembership(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin := s.person("Admin").joins(ada, true)
		grace := s.person("Grace")
		add := func(standing string) {
			t.Helper()
			if a := admin.post(ada.org("/members"), body("user_id", grace.id)).is(201); a.str("standing") != standing {
				t.Errorf("added, not %s: %s", standing, a.body)
			}
		}
		add("good")
		for _, c := range []struct{ verb, standing string }{{"suspend", "suspended"}, {"deactivate", "inactive"}} {
			b := body()
			if c.verb == "suspend" {
				b = because()
			}
			admin.post(grace.member(ada, "/"+c.verb), b).is(200)
			admin.delete(grace.member(ada, "")).is(204)
			add(c.standing)
			grace.get(ada.org("/members")).is(403)
			admin.delete(grace.member(ada, "")).is(204)

			// Outside of the organization they have no rights in it, and only it can lift.
			grace.get(grace.member(ada, "/suspensions")).is(404, "organization_not_found")
			grace.post(grace.member(ada, "/activate"), nil).is(404, "organization_not_found")
			admin.post("/users/"+grace.id+"/activate", nil).is(404, "user_not_found")
			admin.post(grace.member(ada, "/suspend"), because()).is(404, "member_not_found")
			admin.post(grace.member(ada, "/deactivate"), nil).is(404, "member_not_found")
			if n := len(admin.get(grace.member(ada, "/suspensions")).is(200).list()); n != 1 {
				t.Errorf("%d suspensions of a former member", n)
			}
			a := admin.post(grace.member(ada, "/activate"), nil).is(200)
			if a.str("standing") != "good" || a.object()["role"] != nil || strings.Contains(string(a.body), grace.email) {
				t.Errorf("activated: %s", a.body)
			}
			admin.get(grace.member(ada, "")).is(404, "member_not_found") // that did not add them
			add("good")
			grace.get(ada.org("/members")).is(200)
		}
		s.operator("Root").post(grace.path()+"/deactivate", body("scope", "account")).is(200)
		admin.delete(grace.member(ada, "")).is(204)
		add("inactive") // the account
	})
}

// TestSuspensionsAreListed checks who may read which suspensions.
func TestSuspensionsAreListed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		admin, grace, bob := s.person("Admin").joins(ada, true), s.person("Grace").joins(ada, false), s.person("Bob").joins(ada, false)
		path := grace.member(ada, "/suspensions")
		only := func(a answer, n int) map[string]any {
			t.Helper()
			list := a.is(200).list()
			if len(list) != n {
				t.Fatalf("%s: %d, want %d: %s", a.request, len(list), n, a.body)
			}
			if n == 0 {
				return nil
			}
			return list[n-1]
		}
		only(admin.get(path), 0)

		until := s.kernel.Now().Add(time.Minute).Format(time.RFC3339Nano)
		admin.post(grace.member(ada, "/suspend"), body("reason", "Rude.", "suspended_until", until)).is(200)
		for _, who := range []*actor{admin, ada, root} {
			r := only(who.get(path), 1)
			if r["reason"] != "Rude." || r["suspended_by"] != admin.id || r["suspended_until"] != until || r["in_force"] != true || r["lifted_at"] != nil {
				t.Errorf("to %s: %v", who.email, r)
			}
		}
		r := only(grace.get(path), 1) // although she is suspended, and with any token
		if r["reason"] != "Rude." || r["suspended_by"] != nil || r["suspended_until"] != until || r["in_force"] != true {
			t.Errorf("to herself: %v", r)
		}
		bob.get(path).is(403, "insufficient_role")
		grace.get(bob.member(ada, "/suspensions")).is(403, "membership_suspended")
		grace.get(grace.member(ada, "")).is(403, "membership_suspended")
		s.person("Outsider").get(path).is(404, "organization_not_found")
		admin.get(ada.org("/members/"+nowhere+"/suspensions")).is(404, "member_not_found")

		// A reason that was written for admins stays theirs.
		s.exec("UPDATE user_suspensions SET reason_shared = false")
		if r := only(grace.get(path), 1); r["reason"] != nil || r["suspended_until"] != until {
			t.Errorf("to herself: %v", r)
		}
		if r := only(admin.get(path), 1); r["reason"] != "Rude." {
			t.Errorf("to the admin: %v", r)
		}
		admin.patch(grace.member(ada, "/suspension"), body("suspended_until", nil)).is(200)
		if r := only(grace.get(path), 2); r["reason"] != nil || r["suspended_until"] != nil {
			t.Errorf("with another end, to herself: %v", r)
		}
		admin.patch(grace.member(ada, "/suspension"), body("reason", "Very rude.", "suspended_until", until)).is(200)
		if r := only(grace.get(path), 3); r["reason"] != "Very rude." {
			t.Errorf("with another reason, to herself: %v", r)
		}

		s.later(2 * time.Minute) // it ends by itself
		if r := only(grace.get(path), 3); r["in_force"] != false || r["lifted_at"] != until || r["lifted_by"] != nil {
			t.Errorf("over: %v", r)
		}
		ada.post(grace.member(ada, "/suspend"), because()).is(200)
		ada.post(grace.member(ada, "/activate"), nil).is(200)
		if r := only(admin.get(path), 4); r["in_force"] != false || r["lifted_by"] != ada.id || r["lifted_at"] == nil {
			t.Errorf("lifted: %v", r)
		}
		if r := only(grace.get(path), 4); r["lifted_by"] != nil || r["lifted_at"] == nil {
			t.Errorf("lifted, to herself: %v", r)
		}
		first := admin.get(path + "?limit=3&count=true")
		if only(first, 3); first.header.Get("X-Total-Count") != "4" {
			t.Errorf("count: %s", first.header.Get("X-Total-Count"))
		}
		next := strings.TrimPrefix(first.links()["next"], "/api/v1")
		only(admin.get(next), 1)
		only(bob.get(bob.member(ada, "/suspensions")), 0)

		// An account.
		root.post(grace.path()+"/suspend", body("reason", "Reported.", "scope", "account")).is(200)
		if r := only(root.get(grace.path()+"/suspensions"), 1); r["reason"] != "Reported." || r["suspended_by"] != root.id {
			t.Errorf("to the platform administrator: %v", r)
		}
		admin.get(grace.path()+"/suspensions").is(403, "not_yourself")
		s.person("Stranger").get(grace.path()+"/suspensions").is(404, "user_not_found")
		root.get("/users/"+nowhere+"/suspensions").is(404, "user_not_found")
		root.post(grace.path()+"/activate", body("scope", "account")).is(200)
		grace = s.actorOf(s.logIn(grace.email, password).is(200))
		if r := only(grace.get(grace.path()+"/suspensions"), 1); r["reason"] != nil || r["suspended_by"] != nil || r["suspended_at"] == nil || r["in_force"] != false {
			t.Errorf("to herself: %v", r)
		}
		only(grace.get(path), 4) // not the account's

		// An organization.
		root.post(ada.org("/suspend"), body("reason", "Unpaid.")).is(200)
		for _, who := range []*actor{ada, admin, root} {
			if r := only(who.get(ada.org("/suspensions")), 1); r["reason"] != "Unpaid." || r["suspended_by"] != root.id {
				t.Errorf("to %s: %v", who.email, r)
			}
		}
		bob.get(ada.org("/suspensions")).is(403, "insufficient_role")
		bob.get(bob.member(ada, "/suspensions")).is(403, "organization_suspended")
		s.person("Outsider").get(ada.org("/suspensions")).is(404, "organization_not_found")
	})
}

// TestASuspensionIsChanged changes the reason and the end of a suspension of a member, of
// an account and of an organization.
func TestASuspensionIsChanged(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		admin, grace := s.person("Admin").joins(ada, true), s.person("Grace").joins(ada, false)
		soon, late := s.kernel.Now().Add(time.Hour).Format(time.RFC3339Nano), s.kernel.Now().Add(9*time.Hour).Format(time.RFC3339Nano)
		for name, c := range map[string]struct {
			by             *actor
			suspend, patch string
			list, events   string
			action, found  string
		}{
			"a member":        {admin, grace.member(ada, "/suspend"), grace.member(ada, "/suspension"), grace.member(ada, "/suspensions"), ada.org(""), "user.suspension_changed", "suspension"},
			"an account":      {root, grace.path() + "/suspend", grace.path() + "/suspension", grace.path() + "/suspensions", grace.path(), "user.suspension_changed", ""},
			"an organization": {ada, ada.org("/suspend"), ada.org("/suspension"), ada.org("/suspensions"), ada.org(""), "organization.suspension_changed", "suspension"},
		} {
			change := func(b map[string]any) answer { return c.by.patch(c.patch, b) }
			change(body("reason", "x")).is(409, "not_suspended")
			b := body("reason", "First.", "suspended_until", soon)
			if name == "an account" {
				b["scope"] = "account"
			}
			c.by.post(c.suspend, b).is(200)
			change(body("suspended_until", s.kernel.Now().Add(-time.Minute))).is(422, "validation_failed")
			change(body("suspended_until", "tomorrow")).is(422, "validation_failed")
			change(body("reason", nil)).is(422, "validation_failed")
			change(body("until", late)).is(422, "validation_failed")
			change(body()).is(200)
			change(body("reason", "First.", "suspended_until", soon)).is(200)
			if n := len(c.by.get(c.list).is(200).list()); n != 1 {
				t.Errorf("%s: what changes nothing leaves %d suspensions", name, n)
			}
			a := change(body("suspended_until", late)).is(200)
			if c.found != "" && (a.str(c.found+".suspended_until") != late || a.str(c.found+".reason") != "First.") {
				t.Errorf("%s: %s", name, a.body)
			}
			d := c.by.eventDetails(c.events, c.action)
			if d["reason"] != "First." || d["suspended_until"] != late || d["former_reason"] != "First." || d["former_suspended_until"] != soon {
				t.Errorf("%s: %v", name, d)
			}
			change(body("reason", "Second.", "suspended_until", nil)).is(200)
			if d := c.by.eventDetails(c.events, c.action); d["reason"] != "Second." || d["suspended_until"] != nil || d["former_suspended_until"] != late {
				t.Errorf("%s: %v", name, d)
			}
			list := c.by.get(c.list).is(200).list()
			if len(list) != 3 || list[0]["suspended_until"] != soon || list[0]["lifted_by"] != c.by.id || list[1]["in_force"] != false ||
				list[1]["lifted_at"] != list[2]["suspended_at"] || list[2]["in_force"] != true || list[2]["reason"] != "Second." {
				t.Errorf("%s, history: %v", name, list)
			}
			if n := len(c.by.get(c.events + "/audit-events?action=" + c.action).list()); n != 2 {
				t.Errorf("%s: %d events", name, n)
			}
			c.by.post(strings.TrimSuffix(c.suspend, "suspend")+"activate", scopeOf(b)).is(200)
			change(body("reason", "x")).is(409, "not_suspended")
		}
		grace = s.actorOf(s.logIn(grace.email, password).is(200))
		if d := grace.eventDetails(grace.path(), "user.suspension_changed"); len(d) != 1 || d["former_suspended_until"] != late {
			t.Errorf("the person is told %v", d)
		}

		// Who may.
		ada.post(grace.member(ada, "/suspend"), because()).is(200)
		grace.patch(grace.member(ada, "/suspension"), because()).is(403, "membership_suspended")
		s.person("Outsider").patch(grace.member(ada, "/suspension"), because()).is(404, "organization_not_found")
		admin.patch(ada.member(ada, "/suspension"), because()).is(403, "equal_or_higher_role")
		admin.delete(grace.member(ada, "")).is(204) // she stays suspended
		admin.patch(grace.member(ada, "/suspension"), body("reason", "Third.")).is(200)
		admin.patch(ada.org("/suspension"), because()).is(403, "insufficient_role")
		ada.patch(admin.path()+"/suspension", because()).is(403, "platform_administrator_required")
		root.patch(root.path()+"/suspension", because()).is(403, "own_standing")
		root.post(ada.org("/suspend"), because()).is(200)
		ada.patch(ada.org("/suspension"), body("suspended_until", soon)).is(403, "suspended_by_platform")
		root.patch(ada.org("/suspension"), body("suspended_until", soon)).is(200)
		ada.post(ada.org("/activate"), nil).is(403, "suspended_by_platform")
	})
}

// scopeOf returns the scope of a body, if any, as a body.
func scopeOf(b map[string]any) any {
	if b["scope"] == nil {
		return nil
	}
	return body("scope", b["scope"])
}

// TestStandingAndRoleAreShown checks the members by which a screen needs no second request.
func TestStandingAndRoleAreShown(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		admin, grace := s.person("Admin").joins(ada, true), s.person("Grace")
		added := ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		inAda := grace.in(ada)

		// A member, at the Location of what was added.
		location := strings.TrimPrefix(added.header.Get("Location"), "/api/v1")
		member := inAda.get(location).is(200)
		listed := admin.get(ada.org("/members")).is(200).list()[2]
		if member.str("id") != grace.id || member.str("email") != grace.email || fmt.Sprint(member.object()) != fmt.Sprint(listed) {
			t.Errorf("%v, in the list %v", member.object(), listed)
		}
		admin.get(ada.org("/members/"+root.id)).is(404, "member_not_found")
		admin.get(ada.org("/members/"+nowhere)).is(404, "member_not_found")
		s.person("Outsider").get(location).is(404, "organization_not_found")

		// shows checks how everybody sees Grace.
		shows := func(combined, account string, membership any) {
			t.Helper()
			if got := ada.get(location).is(200).str("standing"); got != combined {
				t.Errorf("the member is %s, want %s", got, combined)
			}
			u := ada.get(grace.path()).is(200)
			if u.str("standing.account") != account || u.object()["standing"].(map[string]any)["organization"] != membership || u.str("role") != "member" {
				t.Errorf("the user is not %s, %v: %s", account, membership, u.body)
			}
			for _, v := range ada.get("/users").is(200).list() {
				if v["id"] == grace.id && fmt.Sprint(v["standing"], v["role"]) != fmt.Sprint(u.object()["standing"], u.object()["role"]) {
					t.Errorf("in the list: %v", v)
				}
			}
			for path, want := range map[string]string{"/members": combined, "/admins": "good"} {
				for _, v := range ada.get(ada.org(path)).is(200).list() {
					if want := map[bool]string{true: want, false: "good"}[v["id"] == grace.id]; v["standing"] != want {
						t.Errorf("in %s: %v", path, v)
					}
				}
			}
		}
		shows("good", "good", "good")
		ada.post(grace.member(ada, "/deactivate"), nil).is(200)
		shows("inactive", "good", "inactive")
		ada.post(grace.member(ada, "/suspend"), because()).is(200)
		shows("suspended", "good", "suspended")
		root.post(grace.path()+"/deactivate", body("scope", "account")).is(200)
		shows("suspended", "inactive", "suspended")
		ada.post(grace.member(ada, "/activate"), nil).is(200)
		shows("inactive", "inactive", "good")
		root.post(grace.path()+"/suspend", body("reason", "r", "scope", "account")).is(200)
		shows("suspended", "suspended", "good")
		root.post(grace.path()+"/archive", because()).is(200)
		shows("archived", "archived", "good")
		root.post(grace.path()+"/unarchive", nil).is(200)
		root.post(grace.path()+"/activate", body("scope", "account")).is(200)
		shows("good", "good", "good")

		// A user outside of the caller's active organization has no role in it.
		grace = s.actorOf(s.logIn(grace.email, password).is(200))
		home := grace.post("/organizations", body("name", "Home")).is(201)
		if home.str("role") != "owner" {
			t.Errorf("created: %s", home.body)
		}
		u := grace.get(ada.path(), "X-Organization-ID", home.str("id")).is(200)
		if u.object()["role"] != nil || u.object()["standing"].(map[string]any)["organization"] != nil {
			t.Errorf("seen from elsewhere: %s", u.body)
		}
		for _, who := range []*actor{ada, admin} {
			me := who.get("/auth/me").is(200)
			if me.str("role") != me.str("organization.role") || me.str("standing.organization") != "good" || me.str("standing.account") != "good" {
				t.Errorf("oneself: %s", me.body)
			}
			if o := who.get(ada.org("")).is(200); o.str("role") != me.str("role") {
				t.Errorf("%s: %s", me.str("role"), o.body)
			}
		}
		if o := root.get(ada.org("")).is(200).object(); o["role"] != nil {
			t.Errorf("a platform administrator: %v", o)
		}
		if o := ada.patch(ada.org(""), body("name", "Guild")).is(200); o.str("role") != "owner" {
			t.Errorf("renamed: %s", o.body)
		}

		// Where a switch fails.
		for _, c := range []struct {
			by      *actor
			path    string
			b       any
			refusal string
		}{
			{ada, grace.member(ada, "/suspend"), because(), "membership_suspended"},
			{ada, grace.member(ada, "/activate"), nil, ""},
			{ada, grace.member(ada, "/deactivate"), nil, "membership_inactive"},
			{ada, grace.member(ada, "/activate"), nil, ""},
			{ada, ada.org("/suspend"), because(), "organization_suspended"},
			{ada, ada.org("/activate"), nil, ""},
		} {
			c.by.post(c.path, c.b).is(200)
			for _, o := range grace.get("/auth/me/organizations").is(200).object()["organizations"].([]any) {
				o := o.(map[string]any)
				want := "good"
				if o["id"] == ada.organization && c.refusal != "" {
					want = c.refusal
				}
				if o["standing"] != want {
					t.Errorf("after %s: %v", c.path, o)
				}
			}
			a := grace.post("/auth/switch-organization", body("organization_id", ada.organization))
			if (a.status == 200) != (c.refusal == "") || a.status != 200 && a.code() != c.refusal {
				t.Errorf("after %s a switch is %d %s", c.path, a.status, a.code())
			}
			if a.status == 200 {
				grace = &actor{s: s, id: grace.id, email: grace.email, organization: grace.organization, access: a.str("access_token"), refresh: a.str("refresh_token")}
			}
		}
	})
}

// TestAnArchivedAccountIsAnEventInItsOrganizations checks that the organizations of a
// person learn that the account was archived or restored, but not why or from where.
func TestAnArchivedAccountIsAnEventInItsOrganizations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, eve := s.operator("Root"), s.person("Ada"), s.person("Eve")
		grace := s.person("Grace")
		grace.joins(ada, true)
		grace = grace.joins(eve, false)
		grace.post(grace.path()+"/archive", body("reason", "Enough.")).is(200)
		root.post(grace.path()+"/unarchive", body("reason", "Came back.")).is(200)
		for _, owner := range []*actor{ada, eve} {
			for action, as := range map[string]string{"user.archived": "user", "user.unarchived": "platform_administrator"} {
				events := owner.get(owner.org("/audit-events?action=" + action)).is(200).list()
				if len(events) != 1 || events[0]["user_id"] != grace.id || events[0]["actor_role"] != as || events[0]["address"] != "" ||
					len(events[0]["details"].(map[string]any)) != 0 || events[0]["organization_id"] != owner.organization {
					t.Errorf("%s: %v", action, events)
				}
			}
		}
		if n := len(root.get(root.org("/audit-events?action=user.archived")).is(200).list()); n != 0 {
			t.Errorf("%d events in an organization that she is not in", n)
		}
		s.atServer().ok("audit", "verify")
	})
}

// TestEventsSayWhatChanged checks the details of events.
func TestEventsSayWhatChanged(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace, bob := s.person("Grace").joins(ada, true), s.person("Bob").joins(ada, false)
		says := func(action string, want map[string]any) {
			t.Helper()
			if got := ada.eventDetails(ada.org(""), action); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", action, got, want)
			}
		}
		says("member.added", body("role", "member"))
		ada.patch(ada.org(""), body("name", "One")).is(200)
		ada.patch(ada.org(""), body("name", "Two")).is(200)
		says("organization.renamed", body("name", "Two", "former_name", "One"))
		ada.post(bob.member(ada, "/suspend"), because()).is(200)
		ada.post(bob.member(ada, "/activate"), nil).is(200)
		says("user.activated", body("lifted", "suspension"))
		ada.post(bob.member(ada, "/deactivate"), nil).is(200)
		ada.post(bob.member(ada, "/suspend"), because()).is(200)
		ada.post(bob.member(ada, "/activate"), nil).is(200)
		says("user.activated", body("lifted", "deactivation suspension"))
		ada.post(ada.org("/suspend"), because()).is(200)
		ada.post(ada.org("/activate"), nil).is(200)
		says("organization.activated", body("lifted", "suspension"))
		bob.delete(bob.member(ada, "")).is(204)
		says("member.left", body("role", "member"))
		ada.delete(grace.member(ada, "")).is(204)
		says("member.removed", body("role", "admin"))
		grace.joins(ada, false)
		ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id)).is(200)
		says("ownership.transferred", body("former_owner_user_id", ada.id))
	})
}

// TestRepeats pins how a request answers whose change was already made: what only sets a
// state answers 200 and records nothing, what would create a second thing 409, and what
// removes something that is gone 404.
func TestRepeats(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace, bob, carl := s.person("Grace").joins(ada, false), s.person("Bob").joins(ada, true), s.person("Carl")
		dora, extra := s.person("Dora"), ada.post("/organizations", body("name", "Extra")).is(201).str("id")
		s.logIn(ada.email, password).is(200)
		var another string
		for _, session := range ada.get("/auth/sessions").is(200).list() {
			if session["is_current"] == false {
				another = fmt.Sprint(session["id"])
			}
		}
		account := func(more ...any) map[string]any { return body(append([]any{"scope", "account"}, more...)...) }
		for _, c := range []struct {
			by           *actor
			method, path string
			b            any
			first, again int
			code         string
		}{
			{ada, "POST", grace.path() + "/deactivate", nil, 200, 200, ""},
			{ada, "POST", grace.path() + "/activate", nil, 200, 200, ""},
			{ada, "POST", grace.member(ada, "/deactivate"), nil, 200, 200, ""},
			{ada, "POST", grace.member(ada, "/activate"), nil, 200, 200, ""},
			{root, "POST", dora.path() + "/deactivate", account(), 200, 200, ""},
			{root, "POST", dora.path() + "/activate", account(), 200, 200, ""},
			{ada, "POST", grace.member(ada, "/suspend"), because(), 200, 409, "already_suspended"},
			{ada, "PATCH", grace.member(ada, "/suspension"), body("reason", "Another."), 200, 200, ""},
			{ada, "POST", grace.path() + "/activate", nil, 200, 200, ""},
			{ada, "PATCH", grace.member(ada, "/suspension"), body("reason", "x"), 409, 409, "not_suspended"},
			{ada, "POST", grace.path() + "/suspend", because(), 200, 409, "already_suspended"},
			{root, "POST", dora.path() + "/suspend", account("reason", "r"), 200, 409, "already_suspended"},
			{root, "POST", dora.path() + "/archive", because(), 200, 409, "already_archived"},
			{root, "POST", dora.path() + "/unarchive", nil, 200, 409, "not_archived"},
			{ada, "POST", ada.org("/suspend"), because(), 200, 409, "already_suspended"},
			{ada, "POST", ada.org("/activate"), nil, 200, 200, ""},
			{ada, "POST", "/organizations/" + extra + "/archive", because(), 200, 409, "already_archived"},
			{ada, "POST", "/organizations/" + extra + "/unarchive", nil, 200, 409, "not_archived"},
			{ada, "POST", ada.org("/members"), body("user_id", carl.id), 201, 409, "already_member"},
			{ada, "POST", ada.org("/admins"), body("user_id", carl.id), 201, 409, "already_admin"},
			{ada, "DELETE", ada.org("/admins/" + carl.id), nil, 204, 404, "admin_not_found"},
			{ada, "DELETE", carl.member(ada, ""), nil, 204, 404, "member_not_found"},
			{bob, "DELETE", bob.member(ada, ""), nil, 204, 404, "organization_not_found"}, // oneself
			{ada, "DELETE", "/auth/sessions/" + another, nil, 204, 404, "session_not_found"},
			{root, "POST", ada.org("/transfer-ownership"), body("new_owner_user_id", ada.id), 409, 409, "already_owner"},
		} {
			ask := func() answer { return s.do(c.method, "/api/v1"+c.path, c.by.access, c.b) }
			first := ask()
			if first.status != c.first {
				t.Fatalf("%s: %d, want %d: %s", first.request, first.status, c.first, first.body)
			}
			before := s.count("SELECT COUNT(*) FROM audit_events")
			again := ask()
			if again.status != c.again || again.code() != c.code {
				t.Errorf("%s again: %d, want %d %s: %s", again.request, again.status, c.again, c.code, again.body)
			}
			if n := s.count("SELECT COUNT(*) FROM audit_events") - before; n != 0 {
				t.Errorf("%s again: %d events", again.request, n)
			}
			if again.status == 200 && string(again.body) != string(first.body) {
				t.Errorf("%s again changed %s to %s", again.request, first.body, again.body)
			}
		}
	})
}
