package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
)

// refreshInto refreshes for an organization.
func (s *service) refreshInto(organization, token string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", token, "organization_id", organization))
}

// tabs returns a person who owns an organization and is an admin of another, and their two
// tabs: the first in their own organization, the second switched to the other one.
func (s *service) tabs() (owner, first, second *actor) {
	s.t.Helper()
	owner, first = s.person("Owner"), s.person("Ada")
	return owner, first, first.joins(owner, true)
}

// stays asserts that a refresh of the tab's token gives tokens for the organization.
func (a *actor) stays(organization string) *actor {
	a.s.t.Helper()
	t := a.s.refresh(a.refresh).is(200)
	b := *a
	b.access, b.refresh = t.str("access_token"), t.str("refresh_token")
	if got := t.str("organization_id"); got != organization {
		a.s.t.Errorf("a refresh changed the organization to %q", got)
	}
	if got := b.get("/auth/me").is(200).str("organization.id"); got != organization {
		a.s.t.Errorf("the new access token is for %q", got)
	}
	return &b
}

// TestATabStaysInItsOrganization checks that a switch in one tab changes neither the
// organization of another tab nor its refresh token.
func TestATabStaysInItsOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, first, second := s.tabs()
		victim := s.person("Grace")
		first.post(first.org("/members"), body("user_id", victim.id)).is(201)
		owner.post(owner.org("/members"), body("user_id", victim.id)).is(201)
		for range 10 {
			s.later(11 * time.Second)
			first, second = first.stays(first.organization), second.stays(owner.organization)
		}
		first.post("/users/"+victim.id+"/suspend", because()).is(200)
		victim.get(first.org("/members")).is(403, "membership_suspended")
		victim.get(owner.org("/members")).is(200)
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", first.id); n != 2 {
			t.Errorf("%d rows", n)
		}
		first.get("/auth/me").is(200)
		second.get("/auth/me").is(200)
	})
}

// TestTabsThatShareTheirTokens uses one refresh token in two tabs, each of which names its
// organization in the request.
func TestTabsThatShareTheirTokens(t *testing.T) {
	for name, rotation := range map[string]bool{"rotated": true, "not rotated": false} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				owner, ada := s.person("Owner"), s.person("Ada")
				owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
				stored := ada.refresh
				for range 10 {
					s.later(6 * time.Second)
					before := stored
					var answers []answer
					for _, organization := range []string{ada.organization, owner.organization, ada.organization} {
						a := s.refreshInto(organization, before).is(200) // the second and third repeat it within the grace
						if got := a.str("organization_id"); got != organization {
							t.Errorf("tokens for %s instead of %s", got, organization)
						}
						if got := s.actorOf(a).get("/auth/me").is(200).str("organization.id"); got != organization {
							t.Errorf("an access token for %s instead of %s", got, organization)
						}
						answers = append(answers, a)
					}
					stored = answers[0].str("refresh_token")
					for _, a := range answers {
						if a.str("refresh_token") != stored {
							t.Error("different successors")
						}
					}
					if (stored != before) != rotation {
						t.Errorf("rotation is %v, changed %v", rotation, stored != before)
					}
				}
				s.refreshInto(owner.organization, stored).is(200)
				s.later(time.Minute)
				if !rotation && s.refresh(stored).is(200).str("organization_id") != owner.organization {
					t.Error("the session does not keep the organization")
				}
				if got := s.logIn(ada.email, password).is(200).str("organization_id"); got != owner.organization {
					t.Errorf("a log-in returns to %s", got)
				}
			}, func(c *config.Config) { c.RefreshRotation = rotation })
		})
	}
}

// TestARefusedOrganizationSpendsNoToken checks the refusals of a refresh into an
// organization, on both routes: the refresh token stays valid and current.
func TestARefusedOrganizationSpendsNoToken(t *testing.T) {
	for name, rotation := range map[string]bool{"rotated": true, "not rotated": false} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				owner, stranger, ada := s.person("Owner"), s.person("Eve"), s.person("Ada")
				owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
				ways := []func(organization, token string) answer{
					s.refreshInto,
					func(organization, token string) answer {
						return s.do("POST", "/api/v1/auth/token", "", body("grant_type", "refresh_token", "refresh_token", token, "organization_id", organization))
					},
					func(organization, token string) answer {
						values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "organization_id": {organization}}
						return s.do("POST", "/api/v1/auth/token", "", values.Encode(), "Content-Type", form)
					},
				}
				token := ada.refresh
				refused := func(organization string, status int, code string) {
					t.Helper()
					generation := s.count("SELECT generation FROM sessions WHERE user_id = ?", ada.id)
					for i, refresh := range ways {
						a := refresh(organization, token).is(status, code)
						if i == 2 && a.str("error") != "invalid_request" { // otherwise an OAuth client discards its tokens
							t.Errorf("%s: the error is %q", code, a.str("error"))
						}
					}
					if got := s.count("SELECT generation FROM sessions WHERE user_id = ?", ada.id); got != generation {
						t.Errorf("%s: generation %d became %d", code, generation, got)
					}
					s.later(11 * time.Second)
					token = s.refresh(token).is(200).str("refresh_token")
				}
				refused(stranger.organization, 404, "organization_not_found")
				refused(uuid.NewString(), 404, "organization_not_found")
				refused("x", 422, "validation_failed")
				owner.post("/users/"+ada.id+"/suspend", because()).is(200)
				refused(owner.organization, 403, "membership_suspended")
				owner.post("/users/"+ada.id+"/activate", nil).is(200)
				owner.post("/users/"+ada.id+"/deactivate", nil).is(200)
				refused(owner.organization, 403, "membership_inactive")
				owner.post("/users/"+ada.id+"/activate", nil).is(200)
				owner.post(owner.org("/suspend"), because()).is(200)
				refused(owner.organization, 403, "organization_suspended")
				owner.post(owner.org("/archive"), because()).is(200)
				refused(owner.organization, 404, "organization_not_found")
				owner.post(owner.org("/unarchive"), because()).is(200)
				owner.post(owner.org("/activate"), nil).is(200)
				for _, refresh := range ways {
					a := refresh(owner.organization, token).is(200)
					if token = a.str("refresh_token"); a.str("organization_id") != owner.organization {
						t.Errorf("refreshed: %s", a.body)
					}
				}
				if got := s.refresh(token).is(200).str("organization_id"); got != owner.organization {
					t.Errorf("a later refresh is for %s", got)
				}

				// What is wrong with the token is told first, and reuse ends the session.
				ada = s.actorOf(s.logIn(ada.email, password).is(200))
				if rotation {
					s.refresh(ada.refresh).is(200)
					s.later(11 * time.Second)
					s.refreshInto(stranger.organization, ada.refresh).is(401, "refresh_token_reused")
				} else {
					ada.post("/auth/logout", nil).is(204)
				}
				s.refreshInto(stranger.organization, ada.refresh).is(401, "invalid_refresh_token")
				ada = s.actorOf(s.logIn(ada.email, password).is(200))
				s.exec("UPDATE user_active_status SET deactivated_at = ? WHERE user_id = ? AND organization_id IS NULL", s.kernel.Now(), ada.id)
				s.refreshInto(stranger.organization, ada.refresh).is(401, "invalid_refresh_token")
			}, func(c *config.Config) { c.RefreshRotation = rotation })
		})
	}
}

// TestALogInEndsWithAllItsTabs checks everything that ends a session: all tabs of the same
// log-in end with it, and no others.
func TestALogInEndsWithAllItsTabs(t *testing.T) {
	const chosen = "five boxing wizards"
	each(t, func(t *testing.T, s *service) {
		for name, end := range map[string]func(owner, first, second, other *actor){
			"log-out in the first tab":  func(_, first, _, _ *actor) { first.post("/auth/logout", nil).is(204) },
			"log-out in the second tab": func(_, _, second, _ *actor) { second.post("/auth/logout", nil).is(204) },
			"from another device": func(_, _, _, other *actor) {
				other.delete("/auth/sessions/" + other.get("/auth/sessions").list()[0]["id"].(string)).is(204)
			},
			"by the id of the second tab": func(_, _, second, other *actor) {
				_, claims := claims(t, second.access)
				other.delete("/auth/sessions/" + claims["sid"].(string)).is(204)
				other.delete("/auth/sessions/"+claims["sid"].(string)).is(404, "session_not_found")
			},
			"a reused token of the second tab": func(_, _, second, _ *actor) {
				s.refresh(second.refresh).is(200)
				s.later(11 * time.Second)
				s.refresh(second.refresh).is(401, "refresh_token_reused")
			},
			"a reused token of the first tab": func(_, first, _, _ *actor) {
				s.refresh(first.refresh).is(200)
				s.later(11 * time.Second)
				s.refresh(first.refresh).is(401, "refresh_token_reused")
			},
			"a new password on another device": func(_, first, _, other *actor) {
				other.patch("/users/"+first.id+"/password", body("old_password", password, "new_password", chosen)).is(204)
			},
		} {
			owner, first, second := s.tabs()
			other := s.actorOf(s.logIn(first.email, password).is(200))
			elsewhere := other.in(owner)
			end(owner, first, second, other)
			for _, dead := range []*actor{first, second} {
				if a := dead.get("/auth/me"); a.status != 401 {
					t.Errorf("%s: %d", name, a.status)
				}
				if a := s.refresh(dead.refresh); a.status != 401 {
					t.Errorf("%s: a refresh is %d", name, a.status)
				}
			}
			other.get("/auth/me").is(200)
			elsewhere.get("/auth/me").is(200)
			details, session := s.event(other, "session.ended"), "session_id"
			_, sid := claims(t, first.access)
			if details["reason"] == "password_changed" {
				_, sid = claims(t, other.access)
				session = "kept_session_id"
			}
			if details[session] != sid["sid"] || details["sessions"] != "1" {
				t.Errorf("%s: the event says %v, the log-in is %v", name, details, sid["sid"])
			}
		}

		// A new password keeps the tab that chose it. Others may be a thief's, who had an
		// access token.
		owner, first, second := s.tabs()
		second.patch("/users/"+first.id+"/password", body("old_password", password, "new_password", chosen)).is(204)
		first.get("/auth/me").is(401, "invalid_token")
		s.refresh(first.refresh).is(401, "invalid_refresh_token")
		second = second.stays(owner.organization)
		if list := second.get("/auth/sessions").is(200).list(); len(list) != 1 || list[0]["is_current"] != true {
			t.Errorf("%v", list)
		}
		// A switch to one's own organization begins nothing: whoever does it shares the
		// tokens of the session, and reuse gives them away.
		before := s.count("SELECT COUNT(*) FROM sessions")
		same := second.in(owner)
		if s.count("SELECT COUNT(*) FROM sessions") != before || same.refresh != second.refresh {
			t.Error("a switch to the current organization began a session")
		}
		third := s.actorOf(s.logIn(first.email, chosen).is(200))
		first = third
		first.post("/auth/logout", body("all", true)).is(204)
		second.get("/auth/me").is(401)
	})
}

// event returns the details of the last event of a person with the action.
func (s *service) event(who *actor, action string) map[string]any {
	s.t.Helper()
	list := who.get("/users/" + who.id + "/audit-events?action=" + action).is(200).list()
	if len(list) == 0 {
		s.t.Fatalf("no event %s", action)
	}
	details, _ := list[0]["details"].(map[string]any)
	return details
}

// TestSessionsAreLogIns checks that the list has one entry for each log-in, with its last
// use in any tab.
func TestSessionsAreLogIns(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, first, _ := s.tabs()
		s.later(time.Minute)
		phone := s.actorOf(s.logIn(first.email, password, "organization_id", first.organization).is(200))
		s.later(time.Minute)
		switched := s.from("203.0.113.9:1", "POST", "/api/v1/auth/switch-organization", body("organization_id", owner.organization),
			"Authorization", "Bearer "+phone.access, "User-Agent", "Phone/1").is(200)
		for _, tab := range []*actor{phone, s.actorOf(switched)} {
			list := tab.get("/auth/sessions?count=true").is(200)
			if got := list.header.Get("X-Total-Count"); got != "2" || len(list.list()) != 2 {
				t.Fatalf("%s sessions: %s", got, list.body)
			}
			computer, phones := list.list()[0], list.list()[1]
			_, sid := claims(t, phone.access)
			if computer["is_current"] != false || phones["is_current"] != true || phones["id"] != sid["sid"] || computer["organization_id"] != owner.organization ||
				phones["organization_id"] != owner.organization || phones["address"] != "203.0.113.9" || phones["client"] != "Phone/1" || phones["created_at"] == phones["last_used_at"] {
				t.Errorf("%s", list.body)
			}
		}
		s.later(time.Minute)
		phone = phone.stays(first.organization)
		if last := phone.get("/auth/sessions").list()[1]; last["organization_id"] != first.organization || last["address"] != "192.0.2.100" {
			t.Errorf("the last use is %v", last)
		}
		var ids []string
		for path := "/auth/sessions?limit=1"; path != ""; {
			a := phone.get(path).is(200)
			ids = append(ids, a.list()[0]["id"].(string))
			path = strings.TrimPrefix(a.links()["next"], "/api/v1")
		}
		if len(ids) != 2 || ids[0] >= ids[1] {
			t.Errorf("page by page: %v", ids)
		}
		// Each log-in counts once.
		phone.post("/auth/logout", body("all", true)).is(204)
		phone = s.actorOf(s.logIn(first.email, password).is(200))
		if got := s.event(phone, "session.ended")["sessions"]; got != "2" {
			t.Errorf("%v sessions ended", got)
		}
		s.verified()
	})
}

// TestSwitchingBackAndForth checks that a client that never uses its old tokens again
// does not add sessions without end.
func TestSwitchingBackAndForth(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, first, second := s.tabs()
		s.later(time.Second)
		idle := first.in(owner)
		here := first
		for i := range 105 {
			s.later(time.Second)
			if i%5 == 0 {
				second = second.stays(owner.organization) // a tab that is in use
			}
			here = here.in([]*actor{owner, first}[i%2])
		}
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", first.id); n != 100 {
			t.Errorf("%d sessions", n)
		}
		s.refresh(idle.refresh).is(401, "invalid_refresh_token")
		idle.get("/auth/me").is(401, "invalid_token")
		first.stays(first.organization)
		second.stays(owner.organization)
		here.stays(owner.organization)

		// The tab that switches keeps its tokens, even if it was used longest ago.
		s.exec("UPDATE sessions SET rotated_at = created_at WHERE user_id = ?", first.id)
		_, sid := claims(t, second.access)
		s.exec("UPDATE sessions SET created_at = ?, rotated_at = ? WHERE id = ?", s.kernel.Now().Add(-time.Hour), s.kernel.Now().Add(-time.Hour), sid["sid"])
		second.in(first)
		second.get("/auth/me").is(200)
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", first.id); n != 100 {
			t.Errorf("%d sessions", n)
		}
		second.post("/auth/logout", nil).is(204)
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND user_id = ?", first.id); n != 0 {
			t.Errorf("%d sessions live on", n)
		}
	})
}

// TestALogOutWaitsForASwitch checks that a log-out waits for a switch in progress. Otherwise
// the branch would begin in a log-in that has ended.
func TestALogOutWaitsForASwitch(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		_, sid := claims(t, ada.access)
		s.waits(ada, func() answer { return ada.post("/auth/logout", nil) }, func(ctx context.Context) error {
			return s.kernel.DB.Conn(ctx).Exec(`INSERT INTO sessions (id, user_id, login_id, generation, created_at, rotated_at, expires_at)
				SELECT ?, user_id, id, 1, created_at, rotated_at, expires_at FROM sessions WHERE id = ?`, uuid.NewString(), sid["sid"]).Error
		}).is(204)
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL"); n != 0 {
			t.Errorf("%d sessions live on", n)
		}
	})
}

// TestASwitchWaitsForALogOut checks the opposite.
func TestASwitchWaitsForALogOut(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		other := ada.post("/organizations", body("name", "Engines")).is(201).str("id")
		s.waits(ada, func() answer {
			return ada.post("/auth/switch-organization", body("organization_id", other))
		}, func(ctx context.Context) error {
			return s.kernel.DB.Conn(ctx).Exec("UPDATE sessions SET revoked_at = ?, revoked_reason = 'logged_out' WHERE user_id = ?", s.kernel.Now(), ada.id).Error
		}).is(401, "invalid_token")
		if n := s.count("SELECT COUNT(*) FROM sessions"); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// waits makes a request while a transaction that changes something holds the lock of the
// person's account, and asserts that the answer waits for the commit.
func (s *service) waits(who *actor, request func() answer, change func(ctx context.Context) error) answer {
	s.t.Helper()
	answered := make(chan answer, 1)
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		if err := s.kernel.Gate.LockUser(ctx, uuid.MustParse(who.id)); err != nil {
			return err
		}
		if err := change(ctx); err != nil {
			return err
		}
		go func() { answered <- request() }()
		select {
		case a := <-answered:
			s.t.Errorf("it did not wait: %d %s", a.status, a.body)
			answered <- a
		case <-time.After(300 * time.Millisecond):
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return <-answered
}

// TestALogInReturnsToTheLastOrganization checks which organization is active after a
// log-in, with and without rotation.
func TestALogInReturnsToTheLastOrganization(t *testing.T) {
	for name, rotation := range map[string]bool{"rotated": true, "not rotated": false} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				owner, ada := s.person("Owner"), s.person("Ada")
				owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
				returns := func(want *actor) *actor {
					t.Helper()
					s.later(time.Minute)
					a := s.logIn(ada.email, password).is(200)
					if got := a.str("organization_id"); got != want.organization {
						t.Errorf("a log-in returns to %s, not to %s", got, want.organization)
					}
					return s.actorOf(a)
				}
				there := returns(ada).in(owner) // invited, and away from their own organization
				there.post("/auth/logout", nil).is(204)
				there = returns(owner)
				s.later(time.Minute)
				there.in(ada).post("/auth/logout", body("all", true)).is(204)
				there = returns(ada)
				s.later(time.Minute)
				s.refreshInto(owner.organization, there.refresh).is(200)
				returns(owner)
				s.later(8 * 24 * time.Hour) // the sessions have expired
				returns(owner)
				s.logInAgain(owner).delete(owner.org("/members/" + ada.id)).is(204)
				returns(ada) // the only one left
			}, func(c *config.Config) { c.RefreshRotation = rotation })
		})
	}
}

// TestRotationThatIsTurnedOff checks that generations from before keep their grace, and
// that a change of the organization does not extend it.
func TestRotationThatIsTurnedOff(t *testing.T) {
	t.Parallel()
	for _, reuse := range []int{0, 1} {
		t.Run(fmt.Sprint(reuse), func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				ada := s.person("Ada")
				tokens := []string{ada.refresh}
				for range 2 {
					tokens = append(tokens, s.refresh(tokens[len(tokens)-1]).is(200).str("refresh_token"))
				}
				off := start(t, s.kernel.Config.DatabaseURL.Reveal(), func(c *config.Config) { c.RefreshRotation = false })
				for _, token := range tokens {
					if got := off.refresh(token).is(200).str("refresh_token"); got != tokens[2] {
						t.Error("another successor")
					}
				}
				off.later(9 * time.Second)
				other := off.actorOf(off.refresh(tokens[2])).post("/organizations", body("name", "Other")).is(201).str("id")
				off.refreshInto(other, tokens[2]).is(200)
				off.later(5 * time.Second)
				off.refresh(tokens[2]).is(200)
				off.refresh(tokens[reuse]).is(401, "refresh_token_reused")
				off.refresh(tokens[2]).is(401, "invalid_refresh_token")
			})
		})
	}
}

// TestOldBranchesAreSwept checks that the retention deletes ended log-ins with branches,
// on both databases, and keeps the last session.
func TestOldBranchesAreSwept(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner, first, second := s.tabs()
		s.later(time.Second)
		second.stays(owner.organization)
		first.post("/auth/logout", nil).is(204)
		s.later(time.Second)
		live := s.actorOf(s.logIn(first.email, password, "organization_id", first.organization).is(200)).in(owner)
		live.post("/auth/logout", nil).is(204)
		s.later(40 * day)
		s.swept()
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE user_id = ?", first.id); n < 1 || n > 2 {
			t.Errorf("%d sessions are left", n)
		}
		if got := s.logIn(first.email, password).is(200).str("organization_id"); got != owner.organization {
			t.Errorf("a log-in returns to %s", got)
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	})
}
