package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/config"
)

func (s *service) refresh(token string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": token})
}

func TestRefreshRotates(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		first := s.refresh(ada.refresh).is(200)
		second := s.actorOf(first)
		if second.refresh == ada.refresh || second.access == ada.access || second.organization != ada.organization {
			t.Errorf("refreshed: %s", first.body)
		}
		// The parent, again at once: a retry, or another tab.
		if again := s.refresh(ada.refresh).is(200); again.str("refresh_token") != second.refresh {
			t.Error("the parent gave another successor")
		}
		ada.get("/auth/me").is(200) // an access token lives until it expires
		third := s.actorOf(s.refresh(second.refresh).is(200))
		third.get("/auth/me").is(200)
		_, before := claims(t, ada.access)
		_, after := claims(t, third.access)
		if before["sid"] != after["sid"] {
			t.Error("another session")
		}
		if s.count("SELECT COUNT(*) FROM sessions") != 1 {
			t.Error("a refresh made a session")
		}
	})
}

func TestAReusedRefreshTokenEndsTheSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for name, reuse := range map[string]func(ada, second, third *actor) string{
			"a grandparent": func(ada, _, _ *actor) string { return ada.refresh },
			"a parent":      func(_, second, _ *actor) string { return second.refresh },
		} {
			ada := s.person("Ada")
			elsewhere := s.actorOf(s.logIn(ada.email, password).is(200))
			branch := ada.in(ada)
			second := s.actorOf(s.refresh(ada.refresh).is(200))
			third := s.actorOf(s.refresh(second.refresh).is(200))
			s.later(11 * time.Second)
			s.refresh(reuse(ada, second, third)).is(401, "refresh_token_reused")
			for _, dead := range []*actor{ada, second, third, branch} {
				dead.get("/auth/me").is(401, "invalid_token")
				s.refresh(dead.refresh).is(401, "invalid_refresh_token")
			}
			elsewhere.get("/auth/me").is(200)
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

func TestOneOfManyRefreshesWins(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		successors := make([]string, 32)
		var wg sync.WaitGroup
		for i := range successors {
			wg.Go(func() { successors[i] = s.refresh(ada.refresh).str("refresh_token") })
		}
		wg.Wait()
		for _, successor := range successors {
			if successor == "" || successor != successors[0] {
				t.Fatalf("want one successor: %v", successors)
			}
		}
		if got := s.count("SELECT generation FROM sessions"); got != 2 {
			t.Errorf("generation %d", got)
		}
		s.refresh(successors[0]).is(200)
	})
}

func TestWithoutRotationOneRefreshTokenLasts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for range 3 {
			s.later(time.Hour)
			a := s.refresh(ada.refresh).is(200)
			if a.str("refresh_token") != ada.refresh {
				t.Error("the refresh token changed")
			}
			s.actorOf(a).get("/auth/me").is(200)
		}
		ada = s.actorOf(s.refresh(ada.refresh))
		ada.post("/auth/switch-organization", map[string]any{"organization_id": ada.organization}).is(200)
		s.refresh(ada.refresh).is(200)
		s.later(7 * 24 * time.Hour)
		s.refresh(ada.refresh).is(401, "invalid_refresh_token")
	}, func(c *config.Config) { c.RefreshRotation = false })
}

func TestASessionEndsForGood(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for range 6 {
			s.later(24 * time.Hour)
			ada = s.actorOf(s.refresh(ada.refresh).is(200))
		}
		s.later(23*time.Hour + 50*time.Minute)
		a := s.refresh(ada.refresh).is(200)
		if a.str("expires_in") == "1800" { // an access token does not outlive its session
			t.Errorf("expires in %s s", a.str("expires_in"))
		}
		ada = s.actorOf(a)
		s.later(11 * time.Minute)
		ada.get("/auth/me").is(401, "invalid_token")
		s.refresh(ada.refresh).is(401, "invalid_refresh_token")
	})
}

// TestAnAccessTokenLivesAsLongAsPromised: expires_in, and less than a second longer.
func TestAnAccessTokenLivesAsLongAsPromised(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.get("/auth/me").is(200)
		s.later(30*time.Minute - 10*time.Second)
		ada.get("/auth/me").is(200)
		s.later(11 * time.Second)
		ada.get("/auth/me").is(401, "invalid_token")
		ada.get(ada.org("")).is(401, "invalid_token")
	})
}

func TestRefreshAfterTheOrganizationIsLost(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		inAda := grace.joins(ada, false)
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		a := s.refresh(inAda.refresh).is(200)
		if _, present := a.object()["organization_id"]; !present || a.object()["organization_id"] != nil {
			t.Errorf("organization_id is not null: %s", a.body)
		}
		grace = s.actorOf(a)
		if _, c := claims(t, grace.access); c["organization_id"] != nil {
			t.Errorf("claims: %v", c)
		}
		grace.get("/auth/me").is(200)
		grace.get("/users").is(403, "organization_required")
		s.refresh(grace.refresh).is(200)
	})
}

func TestASuspendedOrganizationStaysTheSessions(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.post(ada.org("/suspend"), map[string]any{"reason": "r"}).is(200)
		if got := s.refresh(ada.refresh).is(200).str("organization_id"); got != ada.organization {
			t.Errorf("organization %q", got)
		}
	})
}

func TestForgedRefreshTokens(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, forged := range []string{
			ada.access, "x", "a.b.c", ada.refresh[:len(ada.refresh)-2], ada.refresh + "A",
			strings.Replace(ada.refresh, ".", ".e", 1), ada.refresh + " ",
		} {
			a := s.refresh(forged).is(401, "invalid_refresh_token")
			if strings.Contains(string(a.body), forged) && len(forged) > 10 {
				t.Error("the token is repeated")
			}
		}
		s.refresh("").is(422, "validation_failed")
		s.refresh(strings.Repeat("x", 5000)).is(422, "validation_failed")
		s.refresh(ada.refresh).is(200)
	})
}

func TestLogOutEndsThisSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		elsewhere := s.actorOf(s.logIn(ada.email, password).is(200))
		ada.post("/auth/logout", nil).is(204)
		ada.get("/auth/me").is(401, "invalid_token")
		s.refresh(ada.refresh).is(401, "invalid_refresh_token")
		ada.post("/auth/logout", nil).is(401, "invalid_token")
		elsewhere.get("/auth/me").is(200)
		elsewhere.post("/auth/logout", map[string]any{"all": false}).is(204)
		elsewhere.get("/auth/me").is(401, "invalid_token")
	})
}

func TestLogOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		elsewhere := s.actorOf(s.logIn(ada.email, password).is(200))
		ada.post("/auth/logout", map[string]any{"all": true}).is(204)
		for _, a := range []*actor{ada, elsewhere} {
			a.get("/auth/me").is(401, "invalid_token")
			s.refresh(a.refresh).is(401, "invalid_refresh_token")
		}
		grace.get("/auth/me").is(200)
	})
}

func TestANewPasswordEndsEveryOtherSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		elsewhere := s.actorOf(s.logIn(ada.email, password).is(200))
		const chosen = "five boxing wizards"
		change := func(a *actor, id, old, chosen string) answer {
			return a.patch("/users/"+id+"/password", map[string]any{"old_password": old, "new_password": chosen})
		}
		change(ada, ada.id, "not the old one", chosen).is(403, "wrong_password")
		change(ada, ada.id, password, "password123").is(422, "validation_failed")
		change(ada, ada.id, password, strings.ToUpper(ada.email)).is(422, "validation_failed")
		change(ada, ada.id, password, "short").is(422, "validation_failed")
		change(ada, grace.id, password, chosen).is(404, "user_not_found")
		elsewhere.get("/auth/me").is(200)

		if a := change(ada, ada.id, password, chosen).is(204); len(a.body) != 0 {
			t.Errorf("a body: %s", a.body)
		}
		ada.get("/auth/me").is(200)
		s.refresh(ada.refresh).is(200)
		elsewhere.get("/auth/me").is(401, "invalid_token")
		s.refresh(elsewhere.refresh).is(401, "invalid_refresh_token")
		s.logIn(ada.email, password).is(401, "invalid_credentials")
		s.logIn(ada.email, chosen).is(200)
		s.logIn(grace.email, password).is(200)
	})
}

func TestSwitchOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, charles := s.person("Ada"), s.person("Grace"), s.person("Charles")
		ada.post(ada.org("/members"), map[string]any{"user_id": grace.id}).is(201)
		to := func(id string) answer {
			return grace.post("/auth/switch-organization", map[string]any{"organization_id": id})
		}
		to(charles.organization).is(404, "organization_not_found")
		to("01900000-0000-7000-8000-000000000000").is(404, "organization_not_found")
		a := to(ada.organization).is(200)
		if a.str("organization_id") != ada.organization {
			t.Errorf("switched: %s", a.body)
		}
		_, before := claims(t, grace.access)
		_, after := claims(t, a.str("access_token"))
		if before["sid"] == after["sid"] || after["organization_id"] != ada.organization {
			t.Errorf("claims: %v", after)
		}
		if got := s.refresh(a.str("refresh_token")).is(200).str("organization_id"); got != ada.organization {
			t.Error("a refresh resets the active organization")
		}
		ada.post("/users/"+grace.id+"/suspend", map[string]any{"reason": "r"}).is(200)
		to(ada.organization).is(403, "membership_suspended")
		ada.post("/users/"+grace.id+"/activate", nil).is(200)
		ada.post("/users/"+grace.id+"/deactivate", nil).is(200)
		to(ada.organization).is(403, "membership_inactive")
		ada.post("/users/"+grace.id+"/activate", nil).is(200)
		ada.post(ada.org("/suspend"), map[string]any{"reason": "r"}).is(200)
		to(ada.organization).is(403, "organization_suspended")
		ada.post(ada.org("/archive"), map[string]any{"reason": "r"}).is(200)
		to(ada.organization).is(404, "organization_not_found")
		to(grace.organization).is(200)
	})
}

// TestSessionsThatAPersonSees checks the list of a user's sessions: times, address and
// client. A user can end each of their own sessions, and none of another user's.
func TestSessionsThatAPersonSees(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		phone := s.actorOf(s.from("203.0.113.7:99", "POST", "/api/v1/auth/token", body("username", ada.email, "password", password), "User-Agent", "Phone/1\u202e\x01").is(200))
		list := phone.get("/auth/sessions?count=true").is(200)
		if got := list.header.Get("X-Total-Count"); got != "2" {
			t.Errorf("%s sessions", got)
		}
		first, second := list.list()[0], list.list()[1]
		if first["is_current"] != false || second["is_current"] != true || second["address"] != "203.0.113.7" || second["client"] != "Phone/1" ||
			first["address"] != "192.0.2.100" || second["organization_id"] != ada.organization || second["created_at"] == "" || second["expires_at"] == "" {
			t.Errorf("%s", list.body)
		}
		// A refresh from another address is visible.
		s.later(time.Minute)
		s.from("198.51.100.9:1", "POST", "/api/v1/auth/refresh", body("refresh_token", phone.refresh), "User-Agent", "Phone/2").is(200)
		second = ada.get("/auth/sessions").is(200).list()[1]
		if second["address"] != "198.51.100.9" || second["client"] != "Phone/2" || second["last_used_at"] == second["created_at"] {
			t.Errorf("%v", second)
		}
		// A user can neither see nor end another user's session, or one that has ended.
		id := second["id"].(string)
		eve.delete("/auth/sessions/"+id).is(404, "session_not_found")
		s.operator("Oz").delete("/auth/sessions/"+id).is(404, "session_not_found")
		phone.get("/auth/me").is(200)
		ada.delete("/auth/sessions/" + id).is(204)
		phone.get("/auth/me").is(401, "invalid_token")
		s.refresh(phone.refresh).is(401)
		ada.delete("/auth/sessions/"+id).is(404, "session_not_found")
		if n := len(ada.get("/auth/sessions").list()); n != 1 {
			t.Errorf("%d sessions", n)
		}
		// A user's own session.
		current := ada.get("/auth/sessions").list()[0]["id"].(string)
		ada.delete("/auth/sessions/" + current).is(204)
		ada.get("/auth/me").is(401)
	})
}

// TestOldSessionsAreSwept checks that ended sessions are deleted, except each user's last
// one, which stores their organization. No live session is deleted.
func TestOldSessionsAreSwept(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		for range 3 {
			s.logIn(ada.email, password).is(200)
		}
		s.later(36 * 24 * time.Hour)
		if _, err := s.app.Sweep(s.ctx); err != nil || s.count("SELECT COUNT(*) FROM sessions") != 5 {
			t.Errorf("too early: %v, %d sessions", err, s.count("SELECT COUNT(*) FROM sessions"))
		}
		s.later(2 * 24 * time.Hour)
		live := s.actorOf(s.logIn(ada.email, password).is(200))
		if _, err := s.app.Sweep(s.ctx); err != nil {
			t.Fatal(err)
		}
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = '" + ada.id + "'"); n != 1 {
			t.Errorf("Ada has %d sessions", n)
		}
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = '" + grace.id + "'"); n != 1 {
			t.Errorf("Grace's last session is gone: %d", n)
		}
		live.get("/auth/me").is(200)
	})
}

// TestEndedSessionsGoAfterTheirRetention checks that retention counts from the revocation
// or else the expiry. The session that stores a user's organization remains.
func TestEndedSessionsGoAfterTheirRetention(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		mine := grace.organization
		expires := s.logInAgain(grace)
		s.later(time.Second)
		revoked := s.logInAgain(grace)
		s.later(time.Second)
		live := s.logInAgain(grace)
		live.get("/auth/sessions").is(200)
		revoked.post("/auth/logout", nil).is(204)
		of := func(a *actor) int {
			_, claims := claims(t, a.access)
			return s.count("SELECT COUNT(*) FROM sessions WHERE id = ?", claims["sid"])
		}
		s.later(11 * day) // those that expired did so 4 days ago
		if n := s.swept()["sessions"]; n != 1 || of(revoked) != 0 || of(expires) != 1 {
			t.Errorf("%d sessions went", n)
		}
		s.later(7 * day)
		if n := s.swept()["sessions"]; n != 2 || of(expires) != 0 || of(live) != 1 {
			t.Errorf("%d sessions went", n)
		}

		// Grace uses Ada's organization, and is removed from the one in her own session.
		s.later(day)
		ada = s.logInAgain(ada)
		theirs := s.logInAgain(grace).in(ada)
		s.later(time.Second)
		theirs = s.actorOf(s.refresh(theirs.refresh).is(200))
		s.later(time.Second)
		lost := s.logInAgain(grace)
		s.exec("UPDATE sessions SET organization_id = NULL WHERE id = (SELECT id FROM sessions WHERE user_id = ? ORDER BY rotated_at DESC LIMIT 1)", grace.id)
		s.later(18 * day)
		s.swept()
		if of(theirs) != 1 || of(lost) != 1 {
			t.Error("Grace's last organization is lost")
		}
		if got := s.logIn(grace.email, password).is(200).str("organization_id"); got != ada.organization || got == mine {
			t.Errorf("Grace is in %s", got)
		}
	}, func(c *config.Config) { c.SessionRetention = 10 * day })
}

func TestAPlatformAdministratorEndsSessions(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		second, third := s.actorOf(s.logIn(ada.email, password).is(200)), s.actorOf(s.logIn(ada.email, password).is(200))
		path := ada.path() + "/sessions"
		own, seen := ada.get(path).is(200), root.get(path+"?count=true").is(200)
		if string(own.body) != string(ada.get("/auth/sessions").is(200).body) {
			t.Errorf("the person sees others than in /auth/sessions: %s", own.body)
		}
		if len(seen.list()) != 3 || seen.header.Get("X-Total-Count") != "3" {
			t.Fatalf("%s %s", seen.header.Get("X-Total-Count"), seen.body)
		}
		for i, session := range seen.list() {
			if session["is_current"] != false || own.list()[i]["is_current"] != (i == 0) {
				t.Errorf("session %d: %v", i, session)
			}
		}
		ids := seen.ids()
		root.delete(path + "/" + ids[1]).is(204)
		second.get("/auth/me").is(401, "invalid_token")
		root.delete(path+"/"+ids[1]).is(404, "session_not_found")
		root.delete(root.path()+"/sessions/"+ids[2]).is(404, "session_not_found") // another person's
		ada.delete(path + "/" + ids[2]).is(204)
		third.get("/auth/me").is(401, "invalid_token")
		root.delete(path).is(204)
		ada.get("/auth/me").is(401, "invalid_token")
		root.delete(path).is(204) // none is left
		if n := len(root.get(path).is(200).list()); n != 0 {
			t.Errorf("%d sessions", n)
		}
		ada = s.actorOf(s.logIn(ada.email, password).is(200))
		ada.delete(path).is(204)
		ada.get("/auth/me").is(401, "invalid_token")
		root.get("/auth/me").is(200)

		ended := root.get(ada.path() + "/audit-events?action=session.ended").is(200).list()
		var by []string
		for _, event := range ended {
			reason := event["details"].(map[string]any)["reason"].(string)
			if actor := event["actor_user_id"]; (actor == root.id) != (reason == "ended_by_platform") || actor != root.id && actor != ada.id {
				t.Errorf("%s by %v", reason, actor)
			}
			by = append(by, reason)
		}
		if slices.Sort(by); strings.Join(by, " ") != "ended_by_platform ended_by_platform ended_by_the_person logged_out_everywhere" {
			t.Errorf("%v", by)
		}
	})
}

func TestSessionsOfOthersAreTheirs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		grace := s.person("Grace").joins(ada, false)
		one := grace.path() + "/sessions/" + grace.get("/auth/sessions").is(200).ids()[0]
		for a, want := range map[*actor]string{ada: "not_yourself", s.person("Stranger"): "user_not_found"} {
			status := map[string]int{"not_yourself": 403, "user_not_found": 404}[want]
			a.get(grace.path()+"/sessions").is(status, want)
			a.delete(grace.path()+"/sessions").is(status, want)
			a.delete(one).is(status, want)
		}
		nobody := "/users/" + nowhere + "/sessions"
		root.get(nobody).is(404, "user_not_found")
		root.delete(nobody).is(404, "user_not_found")
		root.delete(nobody+"/"+nowhere).is(404, "user_not_found")
		grace.get("/auth/me").is(200)
	})
}
