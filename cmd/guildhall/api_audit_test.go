package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// actions returns the actions in a list of events, oldest first.
func actions(a answer) (all []string) {
	a.t.Helper()
	for _, e := range a.is(200).list() {
		all = append(all, fmt.Sprint(e["action"]))
	}
	slices.Reverse(all)
	return all
}

// TestEventsHaveNames checks that events name people as they are called now.
func TestEventsHaveNames(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, oz := s.person("Ada"), s.person("Grace"), s.operator("Oz")
		grace.joins(ada, false)
		grace.patch("/users/"+grace.id+"/profile", body("name", "Amazing Grace")).is(200)
		named := func(e map[string]any, user, actor any) {
			t.Helper()
			if e["user_name"] != user || e["actor_name"] != actor {
				t.Errorf("%v: want %v by %v", e, user, actor)
			}
		}
		named(ada.get(ada.org("/audit-events?action=member.added")).list()[0], "Amazing Grace", "Ada")
		oz.post("/users/"+grace.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
		oz.post("/users/"+grace.id+"/activate", body("scope", "account")).is(200)
		path := "/users/" + grace.id + "/audit-events?action=user.suspended"
		named(oz.get(path).list()[0], "Amazing Grace", "Oz")
		grace = s.actorOf(s.logIn(grace.email, password).is(200))
		named(grace.get(path).list()[0], "Amazing Grace", nil)
		s.do("POST", "/api/v1/auth/token", "", body("username", grace.email, "password", "wrong")).is(401)
		named(grace.get("/users/" + grace.id + "/audit-events?action=log_in.failed").list()[0], "Amazing Grace", nil)
		if me := oz.get("/auth/me").object(); me["is_platform_administrator"] != true {
			t.Errorf("%v", me)
		}
		if me := grace.get("/auth/me").object(); me["is_platform_administrator"] != false {
			t.Errorf("%v", me)
		}
	})
}

// TestEveryChangeIsOnTheTrail makes each change and checks its one event: actor, role,
// subject and address, in the audit log of everyone that it concerns.
func TestEveryChangeIsOnTheTrail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, oz := s.person("Ada"), s.person("Grace"), s.operator("Oz")
		grace.joins(ada, false)
		steps := []struct {
			by      *actor
			method  string
			path    string
			body    any
			action  audit.Action
			role    string
			headers []string
		}{
			{by: ada, method: "PATCH", path: ada.org(""), body: body("name", "x"), action: audit.OrganizationRenamed, role: "owner"},
			{by: ada, method: "POST", path: ada.org("/admins"), body: body("user_id", grace.id), action: audit.AdminGranted, role: "owner"},
			{by: ada, method: "DELETE", path: ada.org("/admins/" + grace.id), action: audit.AdminRevoked, role: "owner"},
			{by: ada, method: "POST", path: "/users/" + grace.id + "/suspend", body: because(), action: audit.UserSuspended, role: "owner"},
			{by: ada, method: "POST", path: "/users/" + grace.id + "/activate", action: audit.UserActivated, role: "owner"},
			{by: ada, method: "POST", path: "/users/" + grace.id + "/deactivate", action: audit.UserDeactivated, role: "owner"},
			{by: oz, method: "POST", path: "/users/" + grace.id + "/activate", action: audit.UserActivated, role: "platform_administrator", headers: []string{"X-Organization-ID", ada.organization}},
			{by: ada, method: "POST", path: ada.org("/transfer-ownership"), body: body("new_owner_user_id", grace.id), action: audit.OwnershipTransferred, role: "owner"},
			{by: grace, method: "POST", path: ada.org("/suspend"), body: because(), action: audit.OrganizationSuspend, role: "owner"},
			{by: grace, method: "POST", path: ada.org("/activate"), action: audit.OrganizationActivate, role: "owner"},
			{by: grace, method: "POST", path: ada.org("/archive"), body: because(), action: audit.OrganizationArchive, role: "owner"},
			{by: grace, method: "POST", path: ada.org("/unarchive"), action: audit.OrganizationRestore, role: "owner"},
			{by: grace, method: "POST", path: ada.org("/members"), body: body("user_id", oz.id), action: audit.MemberAdded, role: "owner"},
			{by: ada, method: "DELETE", path: ada.org("/members/" + oz.id), action: audit.MemberRemoved, role: "admin"},
			{by: ada, method: "DELETE", path: ada.org("/members/" + ada.id), action: audit.MemberLeft, role: "admin"},
		}
		if e := oz.get("/users/" + oz.id + "/audit-events?action=platform_administrator.granted").list(); len(e) != 1 || e[0]["actor_role"] != "command_line" {
			t.Errorf("granted by the command line: %v", e)
		}
		want := actions(ada.get(ada.org("/audit-events")))
		if !slices.Equal(want, []string{"organization.created", "member.added"}) {
			t.Errorf("the list begins with %v", want)
		}
		for _, step := range steps {
			a := s.do(step.method, "/api/v1"+step.path, step.by.access, step.body, append(step.headers, "User-Agent", "curl/8", "X-Request-ID", "rq-"+string(step.action))...)
			if a.status >= 300 {
				t.Fatalf("%s: %d %s", a.request, a.status, a.body)
			}
			want = append(want, string(step.action))
			list := oz.get(ada.org("/audit-events")).is(200).list()
			last := list[0]
			for name, value := range map[string]string{
				"action": string(step.action), "actor_user_id": step.by.id, "actor_role": step.role, "organization_id": ada.organization,
				"address": "192.0.2.100", "client": "curl/8", "request_id": "rq-" + string(step.action), "sequence": fmt.Sprint(len(want)),
			} {
				if fmt.Sprint(last[name]) != value {
					t.Errorf("%s: %s is %v, want %s", step.action, name, last[name], value)
				}
			}
		}
		if got := actions(grace.get(ada.org("/audit-events"))); !slices.Equal(got, want) {
			t.Errorf("the audit log has\n%v, want\n%v", got, want)
		}

		// The account's own list.
		before := len(actions(grace.get("/users/" + grace.id + "/audit-events")))
		grace.patch("/users/"+grace.id+"/profile", body("bio", "b", "name", "G")).is(200)
		grace.patch("/users/"+grace.id+"/password", body("old_password", password, "new_password", "five boxing wizards")).is(204)
		s.logIn(grace.email, "wrong password").is(401)
		second := s.actorOf(s.logIn(grace.email, "five boxing wizards").is(200))
		second.post("/auth/switch-organization", body("organization_id", grace.organization)).is(200)
		second.post("/auth/logout", nil).is(204)
		oz.post("/users/"+grace.id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		s.logIn(grace.email, "five boxing wizards").is(403, "account_suspended")
		oz.post("/users/"+grace.id+"/activate", body("scope", "account")).is(200)
		got := actions(oz.get("/users/" + grace.id + "/audit-events"))[before:]
		if want := []string{
			"profile.changed", "password.changed", "session.ended", "log_in.failed", "session.started", "session.organization_switched", "session.ended",
			"session.ended", "user.suspended", "log_in.failed", "user.activated",
		}; !slices.Equal(got, want) {
			t.Errorf("Grace's list continues with\n%v, want\n%v", got, want)
		}
		s.verified()

		// The audit log contains no secret of any user.
		for _, row := range s.inputContents("audit_events")["audit_events"] {
			for _, secret := range []string{password, "wizards", "wrong", "eyJ", "argon2", grace.email} {
				if strings.Contains(row, secret) {
					t.Errorf("%q is in %s", secret, row)
				}
			}
		}
	})
}

// verified asserts that every chain of the audit log verifies.
func (s *service) verified() audit.Verified {
	s.t.Helper()
	v, err := s.kernel.Trail.Verify(s.ctx)
	if err != nil || len(v.Broken) > 0 || v.Events == 0 {
		s.t.Errorf("the audit log does not verify: %+v %v", v, err)
	}
	return v
}

// unguardEvents lets statements change audit events, as an attacker who owns the tables could.
func (s *service) unguardEvents() {
	s.t.Helper()
	if s.kernel.DB.Driver() == database.Postgres {
		s.exec("ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_or_erase")
		return
	}
	s.exec("DROP TRIGGER audit_events_only_erased")
	s.exec("DROP TRIGGER audit_events_no_delete")
}

// TestRefusedAttemptsAreOnTheTrail checks that a refused request is recorded with its
// actor and action, but that a stranger adds nothing to the audit log of an organization.
func TestRefusedAttemptsAreOnTheTrail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		eve := s.person("Eve")
		before := len(actions(ada.get(ada.org("/audit-events"))))
		grace.patch(ada.org(""), body("name", "x")).is(403, "insufficient_role")
		grace.post("/users/"+ada.id+"/suspend", because()).is(403)
		grace.patch("/users/"+ada.id+"/profile", body("name", "x")).is(403, "not_yourself")
		eve.patch(ada.org(""), body("name", "x")).is(404)
		eve.get("/users?scope=all", "X-Organization-ID", ada.organization).is(404)
		eve.post("/users/"+eve.id+"/unarchive", body(), "X-Organization-ID", ada.organization).is(403)
		list := ada.get(ada.org("/audit-events")).list()
		if len(list) != before+2 {
			t.Fatalf("%d events more", len(list)-before)
		}
		// Events on a user's account are only in their own list.
		list = append(grace.get("/users/"+grace.id+"/audit-events?limit=1").list(), list...)
		for i, operation := range []string{"updateProfile", "suspendUser", "updateOrganization"} {
			details, _ := list[i]["details"].(map[string]any)
			if list[i]["action"] != "operation.forbidden" || list[i]["actor_user_id"] != grace.id || details["operation"] != operation || details["code"] == "" {
				t.Errorf("%v", list[i])
			}
		}
		// The number of recorded refusals is limited.
		for range 100 {
			grace.patch(ada.org(""), body("name", "x")).is(403)
		}
		if n := len(ada.get(ada.org("/audit-events?limit=1000&action=operation.forbidden")).list()); n < 50 || n > 65 {
			t.Errorf("%d refusals were recorded", n)
		}
		// A refresh token that is used again.
		old := grace.refresh
		next := s.refresh(old).is(200)
		s.refresh(next.str("refresh_token")).is(200)
		s.later(time.Minute)
		s.refresh(old).is(401, "refresh_token_reused")
		grace = s.actorOf(s.logIn(grace.email, password))
		got := actions(grace.get("/users/" + grace.id + "/audit-events"))
		if n := len(got); !slices.Equal(got[n-3:], []string{"session.ended", "session.refresh_token_reused", "session.started"}) {
			t.Errorf("%v", got)
		}
		// A log-in with an unknown address writes as many events as one with a known address.
		counts := s.count("SELECT COUNT(*) FROM audit_events")
		s.logIn("nobody@example.com", "wrong password").is(401)
		s.logIn(ada.email, "wrong password").is(401)
		if n := s.count("SELECT COUNT(*) FROM audit_events") - counts; n != 2 {
			t.Errorf("%d events of two failed log-ins", n)
		}
		s.verified()
	})
}

// TestWhoMayReadTheTrail checks who may read the audit log, and its filters and pages.
func TestWhoMayReadTheTrail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, oz := s.person("Ada"), s.operator("Oz")
		grace := s.person("Grace").joins(ada, true)
		mary := s.person("Mary").joins(ada, false)
		eve := s.person("Eve")
		organization, path := ada.organization, ada.org("/audit-events")
		all := actions(ada.get(path + "?limit=1000"))
		grace.get(path).is(200)
		mary.get(path).is(403, "insufficient_role")
		eve.get(path).is(404, "organization_not_found")
		own := "/users/" + mary.id + "/audit-events"
		mary.get(own).is(200)
		ada.get(own).is(403, "not_yourself")
		eve.get(own).is(404, "user_not_found")
		oz.get(own).is(200)
		oz.get("/users/"+ada.organization+"/audit-events").is(404, "user_not_found")
		oz.get("/users/00000000-0000-0000-0000-000000000000/audit-events").is(404)
		all = append(all, "operation.forbidden") // Mary's

		// Page by page, the list is the same as in one request.
		var paged []string
		for next := path + "?limit=2"; next != ""; {
			a := ada.get(next).is(200)
			for _, e := range a.list() {
				paged = append(paged, fmt.Sprint(e["action"]))
			}
			next = strings.TrimPrefix(a.links()["next"], "/api/v1")
		}
		slices.Reverse(paged)
		if !slices.Equal(paged, all) {
			t.Errorf("page by page\n%v\nat once\n%v", paged, all)
		}
		if got := ada.get(path + "?count=true&limit=1").header.Get("X-Total-Count"); got != fmt.Sprint(len(all)) {
			t.Errorf("X-Total-Count is %s of %d", got, len(all))
		}
		if got := actions(ada.get(path + "?action=member.added")); !slices.Equal(got, []string{"member.added", "member.added"}) {
			t.Errorf("of one action: %v", got)
		}
		if got := actions(ada.get(path + "?actor_user_id=" + mary.id)); !slices.Equal(got, []string{"operation.forbidden"}) {
			t.Errorf("of one actor: %v", got)
		}
		now := s.kernel.Now().Add(time.Second).Format(time.RFC3339Nano)
		s.later(time.Hour)
		ada, oz = s.actorOf(s.logIn(ada.email, password).is(200)), s.actorOf(s.logIn(oz.email, password).is(200))
		ada.patch("/organizations/"+organization, body("name", "later")).is(200)
		if got := actions(ada.get(path + "?since=" + now)); !slices.Equal(got, []string{"organization.renamed"}) {
			t.Errorf("since: %v", got)
		}
		if got := actions(ada.get(path + "?until=" + now)); !slices.Equal(got, all) {
			t.Errorf("until: %v", got)
		}
		// Only platform administrators see their network addresses.
		oz.patch("/organizations/"+organization, body("name", "oz"), "User-Agent", "oz").is(200)
		if e := ada.get(path).list()[0]; e["actor_role"] != "platform_administrator" || e["address"] != "" || e["client"] != "" {
			t.Errorf("%v", e)
		}
		if e := oz.get(path).list()[0]; e["address"] != "192.0.2.100" {
			t.Errorf("%v", e)
		}
	})
}

// TestTheTrailAndTheChangeAreOne checks that a change and its event share a transaction:
// a failed change leaves no event, and without its event nothing changes.
func TestTheTrailAndTheChangeAreOne(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		before := s.count("SELECT COUNT(*) FROM audit_events")
		ada.post(ada.org("/members"), body("user_id", ada.id)).is(409)
		ada.delete(ada.org("/members/" + ada.id)).is(409)
		s.do("POST", "/api/v1/auth/register", "", body("email", ada.email, "password", password, "name", "x")).is(409)
		if n := s.count("SELECT COUNT(*) FROM audit_events"); n != before {
			t.Errorf("%d events of changes that failed", n-before)
		}
		s.asOwner()
		s.exec("ALTER TABLE audit_chains RENAME TO elsewhere")
		quiet := &service{t: &failuresIgnored{TB: t}, kernel: s.kernel, app: s.app, ctx: s.ctx, address: s.address}
		for _, a := range []answer{
			quiet.do("POST", "/api/v1"+ada.org("/members"), ada.access, body("user_id", grace.id)),
			quiet.do("PATCH", "/api/v1"+ada.org(""), ada.access, body("name", "unrecorded")),
			quiet.do("POST", "/api/v1/auth/logout", ada.access, nil),
			quiet.do("POST", "/api/v1/auth/token", "", body("username", ada.email, "password", "wrong password")),
		} {
			if a.status < http.StatusInternalServerError {
				t.Errorf("%s: %d without an audit log", a.request, a.status)
			}
		}
		s.exec("ALTER TABLE elsewhere RENAME TO audit_chains")
		if n := len(ada.get(ada.org("/members")).is(200).list()); n != 1 || ada.get(ada.org("")).str("name") == "unrecorded" {
			t.Error("a change is not in the audit log")
		}
	})
}

// failuresIgnored is a test that ignores failures.
type failuresIgnored struct{ testing.TB }

func (*failuresIgnored) Errorf(string, ...any) {}

// TestForgedTrail checks that verification detects an event that was changed, removed or
// inserted, and that the database refuses all of these until its triggers are dropped.
func TestForgedTrail(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		s.asOwner()
		ada := s.person("Ada")
		for i := range 5 {
			ada.patch(ada.org(""), body("name", fmt.Sprint(i))).is(200)
		}
		digest := s.verified().Digest
		which := " WHERE chain_id = '" + ada.organization + "'"
		for _, forbidden := range []string{"UPDATE audit_events SET client = 'x'" + which, "DELETE FROM audit_events" + which} {
			err := s.kernel.DB.InTx(everything, func(ctx context.Context) error { return s.kernel.DB.Conn(ctx).Exec(forbidden).Error })
			if err == nil || !strings.Contains(err.Error(), "never changed") {
				t.Errorf("%s: %v", forbidden, err)
			}
		}
		s.unguardEvents()
		s.exec("CREATE TABLE kept AS SELECT * FROM audit_events")
		for _, forgery := range []string{
			"UPDATE audit_events SET actor_user_id = user_id, client = 'x'" + which + " AND sequence = 2",
			"UPDATE audit_events SET details = '{\"a\":\"b\"}'" + which + " AND sequence = 6",
			"UPDATE audit_events SET hash = 'x'" + which + " AND sequence = 3",
			"UPDATE audit_events SET occurred_at = (SELECT MIN(occurred_at) FROM audit_events)" + which + " AND sequence = 4",
			"UPDATE audit_events SET organization_id = NULL" + which + " AND sequence = 1",
			"DELETE FROM audit_events" + which + " AND sequence = 1",
			"DELETE FROM audit_events" + which + " AND sequence = 3",
			"DELETE FROM audit_events" + which + " AND sequence = 6",
			"DELETE FROM audit_events" + which,
			"UPDATE audit_events SET sequence = 99" + which + " AND sequence = 6",
			"INSERT INTO audit_events SELECT chain_id, 7, id, occurred_at, action, organization_id, user_id, actor_user_id, actor_role, session_id, address, client, request_id, details, hash FROM kept" + which + " AND sequence = 6",
		} {
			s.exec(forgery)
			v, err := s.kernel.Trail.Verify(s.ctx)
			if err != nil || len(v.Broken) != 1 || !strings.Contains(v.Broken[0], ada.organization) {
				t.Errorf("%s: %+v %v", forgery, v, err)
			}
			s.exec("DELETE FROM audit_events")
			s.exec("INSERT INTO audit_events SELECT * FROM kept")
		}
		if s.verified().Digest != digest {
			t.Error("the digest of an unchanged audit log has changed")
		}
		dir, environ := t.TempDir(), inProduction(databaseURL)
		if out, status := run(t, dir, environ, "audit", "verify"); status != 0 || !strings.Contains(out, digest) {
			t.Errorf("audit verify: %d\n%s", status, out)
		}
		s.exec("DELETE FROM audit_events" + which + " AND sequence = 3")
		if out, status := run(t, dir, environ, "audit", "verify"); status != 1 || !strings.Contains(out, "event 4 follows event 2") {
			t.Errorf("audit verify: %d\n%s", status, out)
		}
		s.exec("INSERT INTO audit_events SELECT * FROM kept" + which + " AND sequence = 3")
	})
}

// TestTheWholeTrail checks the list of all events: what happened in each organization, to each
// account, and to neither, newest first, by each filter, and only for platform administrators.
func TestTheWholeTrail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, oz := s.person("Ada"), s.person("Grace"), s.operator("Oz")
		grace.joins(ada, false)
		began := s.kernel.Now()
		s.later(10 * time.Minute)
		ada.patch(ada.org(""), body("name", "Engines")).is(200)
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		grace.patch("/users/"+grace.id+"/profile", body("name", "Amazing Grace")).is(200)
		s.logIn("nobody@example.com", "wrong password").is(401)
		oz.post("/users/"+grace.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
		all := oz.get("/audit-events?limit=1000").is(200)
		ids := all.ids()
		if got, want := len(ids), s.count("SELECT COUNT(*) FROM audit_events"); int64(got) != int64(want) {
			t.Errorf("%d of %d events", got, want)
		}
		since := "since=" + began.Add(time.Minute).Format(time.RFC3339)
		until := "until=" + began.Add(time.Minute).Format(time.RFC3339)
		recent := []string{"organization.renamed", "user.suspended", "profile.changed", "log_in.failed", "session.ended", "user.suspended"}
		for query, want := range map[string][]string{
			since: recent,
			since + "&organization_id=" + ada.organization:                                   recent[:2],
			since + "&user_id=" + grace.id:                                                   {"user.suspended", "profile.changed", "session.ended", "user.suspended"},
			since + "&actor_user_id=" + ada.id:                                               recent[:2],
			since + "&action=user.suspended":                                                 {"user.suspended", "user.suspended"},
			since + "&action=user.suspended&actor_user_id=" + oz.id + "&user_id=" + grace.id: {"user.suspended"},
			since + "&organization_id=" + ada.organization + "&user_id=" + grace.id:          {"user.suspended"},
			since + "&" + until:                                                              nil,
			since + "&user_id=" + grace.organization:                                         nil,
			"organization_id=" + grace.id + "&" + since:                                      nil,
		} {
			got := oz.get("/audit-events?count=true&" + query)
			if list := actions(got); !slices.Equal(list, want) || got.header.Get("X-Total-Count") != fmt.Sprint(len(want)) {
				t.Errorf("%s: %v (%s), want %v", query, list, got.header.Get("X-Total-Count"), want)
			}
		}
		before := len(oz.get("/audit-events?limit=1000&" + until).is(200).list())
		if before+len(recent) != len(ids) {
			t.Errorf("%d before, %d in all", before, len(ids))
		}
		if last := all.list()[0]; last["user_name"] != "Amazing Grace" || last["actor_name"] != "Oz" || last["address"] != "192.0.2.100" ||
			last["details"].(map[string]any)["reason"] != "x" {
			t.Errorf("%v", last)
		}
		var paged []string
		for _, page := range followLinks(oz, "/audit-events?limit=3", nil) {
			paged = append(paged, page...)
		}
		if !slices.Equal(paged, ids) {
			t.Errorf("by pages\n%v, want\n%v", paged, ids)
		}
		ada.get("/audit-events").is(403, "platform_administrator_required")
		ada.get("/audit-events?organization_id="+ada.organization).is(403, "platform_administrator_required")
		s.do("GET", "/api/v1/audit-events", "", nil).is(401)
	})
}
