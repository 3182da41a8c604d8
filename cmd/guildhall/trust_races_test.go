package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// concurrently makes concurrent requests, and returns their answers in order.
func concurrently(requests ...func() answer) []answer {
	answers := make([]answer, len(requests))
	var begin, done sync.WaitGroup
	begin.Add(1)
	for i, ask := range requests {
		done.Go(func() {
			begin.Wait()
			answers[i] = ask()
		})
	}
	begin.Done()
	done.Wait()
	return answers
}

func statuses(answers []answer) string {
	var all []string
	for _, a := range answers {
		all = append(all, fmt.Sprint(a.status, a.code()))
	}
	return strings.Join(all, " ")
}

// TestTrustRaces makes concurrent requests of which not all may succeed.
func TestTrustRaces(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		rounds := size(3, 50)
		race := func(name string, once func() string) {
			t.Helper()
			wrong := 0
			for round := range rounds {
				said := once()
				if said == "" {
					said = strings.Join(invariants(t, s.kernel.DB), "; ")
				}
				if said != "" {
					wrong++
					t.Errorf("%s, round %d: %s", name, round, said)
				}
			}
			recordResult(t, "race: "+name, string(s.kernel.DB.Driver()), rounds, wrong, 0, "")
		}
		ada, grace, mary, oz := s.person("Ada"), s.person("Grace"), s.person("Mary"), s.operator("Oz")
		members, admins := ada.org("/members"), ada.org("/admins")
		join := func(people ...*actor) {
			for _, p := range people {
				ada.delete(members + "/" + p.id)
				ada.post(members, body("user_id", p.id)).is(201)
			}
		}
		dead := func(tokens answer) bool {
			return s.do("GET", "/api/v1/auth/me", tokens.str("access_token"), nil).status == 401 && s.refresh(tokens.str("refresh_token")).status == 401
		}

		current := s.logIn(ada.email, password).is(200)
		race("64 clients refresh one token", func() string {
			before := s.count("SELECT generation FROM sessions ORDER BY created_at DESC, id DESC LIMIT 1")
			asks := make([]func() answer, 64)
			for i := range asks {
				asks[i] = func() answer { return s.refresh(current.str("refresh_token")) }
			}
			answers := concurrently(asks...)
			for _, a := range answers {
				if a.status != 200 || a.str("refresh_token") != answers[0].str("refresh_token") {
					return statuses(answers)
				}
			}
			current = answers[0]
			if after := s.count("SELECT generation FROM sessions ORDER BY created_at DESC, id DESC LIMIT 1"); after != before+1 {
				return fmt.Sprintf("generation %d became %d", before, after)
			}
			return ""
		})
		race("transfer against transfer", func() string {
			join(grace, mary)
			answers := concurrently(
				func() answer { return ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id)) },
				func() answer { return ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", mary.id)) },
			)
			if (answers[0].status == 200) == (answers[1].status == 200) {
				return statuses(answers)
			}
			oz.post(ada.org("/transfer-ownership"), body("new_owner_user_id", ada.id)).is(200)
			ada.delete(admins + "/" + grace.id)
			ada.delete(admins + "/" + mary.id)
			return ""
		})
		race("removal against grant", func() string {
			join(grace)
			answers := concurrently(
				func() answer { return ada.delete(members + "/" + grace.id) },
				func() answer { return ada.post(admins, body("user_id", grace.id)) },
			)
			if got := statuses(answers); got != "204 201" && got != "204 409not_a_member" {
				return got
			}
			if a := ada.get(ada.org("/permissions/" + grace.id)); a.status != 404 {
				return "removed, but " + string(a.body)
			}
			ada.post(members, body("user_id", grace.id)).is(201)
			if level := ada.get(ada.org("/permissions/" + grace.id)).str("permission_level"); level != "member" {
				return "added back as " + level
			}
			return ""
		})
		race("two admins remove each other", func() string {
			join(grace, mary)
			for _, p := range []*actor{grace, mary} {
				ada.post(admins, body("user_id", p.id)).is(201)
				ada.delete(admins + "/" + p.id).is(204)
			}
			// Plain members may not. Then each tries, as an admin, what only the owner may.
			ada.post(admins, body("user_id", grace.id)).is(201)
			ada.post(admins, body("user_id", mary.id)).is(201)
			answers := concurrently(
				func() answer { return grace.delete(members + "/" + mary.id) },
				func() answer { return mary.delete(members + "/" + grace.id) },
				func() answer { return grace.delete(members + "/" + grace.id) },
			)
			for _, a := range answers[:2] {
				if a.status == 204 {
					return statuses(answers)
				}
			}
			return ""
		})
		race("archive against everything", func() string {
			join(grace, mary)
			answers := concurrently(
				func() answer { return ada.post(ada.org("/archive"), because()) },
				func() answer { return ada.post(admins, body("user_id", grace.id)) },
				func() answer { return ada.delete(members + "/" + mary.id) },
				func() answer { return ada.post(members, body("user_id", oz.id)) },
				func() answer { return ada.patch(ada.org(""), body("name", "x")) },
				func() answer { return ada.post("/users/"+grace.id+"/suspend", because()) },
			)
			if answers[0].status != 200 {
				return statuses(answers)
			}
			for _, a := range answers[1:] {
				if a.status >= 300 && a.status != 404 {
					return statuses(answers)
				}
			}
			if a := grace.get(ada.org("")); a.status != 404 {
				return "archived, but a member sees it"
			}
			ada.post(ada.org("/unarchive"), nil).is(200)
			ada.post("/users/"+grace.id+"/activate", nil).is(200)
			ada.delete(members + "/" + oz.id)
			return ""
		})
		race("one email in three spellings", func() string {
			local := uuid.NewString()
			register := func(email string) func() answer {
				return func() answer {
					return s.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "x"))
				}
			}
			answers := concurrently(register(local+"@example.com"), register(strings.ToUpper(local)+"@Example.COM"), register(" "+local+"@EXAMPLE.com "))
			won := 0
			for _, a := range answers {
				switch {
				case a.status == 201:
					won++
				case a.code() != "email_taken":
					return statuses(answers)
				}
			}
			if won != 1 {
				return statuses(answers)
			}
			return ""
		})
		race("suspending twice", func() string {
			join(grace)
			ada.post("/users/"+grace.id+"/activate", nil).is(200)
			answers := concurrently(
				func() answer { return ada.post("/users/"+grace.id+"/suspend", because()) },
				func() answer { return ada.post("/users/"+grace.id+"/suspend", because()) },
			)
			if (answers[0].status == 200) == (answers[1].status == 200) {
				return statuses(answers)
			}
			return ""
		})
		race("refresh against log-out", func() string {
			tokens := s.logIn(grace.email, password).is(200)
			answers := concurrently(
				func() answer { return s.refresh(tokens.str("refresh_token")) },
				func() answer { return s.actorOf(tokens).post("/auth/logout", nil) },
			)
			if !dead(tokens) || answers[0].status == 200 && !dead(answers[0]) {
				return "the session lives on after " + statuses(answers)
			}
			return ""
		})
		race("refresh and log-in against account suspension", func() string {
			tokens := s.logIn(grace.email, password).is(200)
			answers := concurrently(
				func() answer { return s.refresh(tokens.str("refresh_token")) },
				func() answer { return s.logIn(grace.email, password) },
				func() answer { return oz.post("/users/"+grace.id+"/suspend", body("reason", "x", "scope", "account")) },
			)
			for _, a := range append(answers[:2], tokens) {
				if a.status == 200 && !dead(a) {
					return "a session lives on after " + statuses(answers)
				}
			}
			live := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND user_id = '" + grace.id + "'")
			oz.post("/users/"+grace.id+"/activate", body("scope", "account")).is(200)
			if live > 0 || answers[0].status == 200 && !dead(answers[0]) {
				return fmt.Sprint(live, " sessions live on after ", statuses(answers))
			}
			return ""
		})
		race("refresh against password change", func() string {
			tokens, here := s.logIn(mary.email, password).is(200), s.actorOf(s.logIn(mary.email, password).is(200))
			answers := concurrently(
				func() answer { return s.refresh(tokens.str("refresh_token")) },
				func() answer {
					return here.patch("/users/"+mary.id+"/password", body("old_password", password, "new_password", password+"!"))
				},
			)
			here.patch("/users/"+mary.id+"/password", body("old_password", password+"!", "new_password", password)).is(204)
			if answers[1].status != 204 || !dead(tokens) || answers[0].status == 200 && !dead(answers[0]) {
				return "another session lives on after " + statuses(answers)
			}
			return ""
		})
		race("two switches against log-out", func() string {
			tokens := s.actorOf(s.logIn(mary.email, password).is(200))
			to := func() answer {
				return tokens.post("/auth/switch-organization", body("organization_id", mary.organization))
			}
			answers := concurrently(to, func() answer { return tokens.post("/auth/logout", nil) }, to)
			for _, a := range answers {
				if a.status == 200 && !dead(a) {
					return "a branch lives on after " + statuses(answers)
				}
			}
			return ""
		})
		race("switch against password change and account suspension", func() string {
			tokens, here := s.actorOf(s.logIn(grace.email, password).is(200)), s.actorOf(s.logIn(grace.email, password).is(200))
			to := func() answer {
				return tokens.post("/auth/switch-organization", body("organization_id", grace.organization))
			}
			answers := concurrently(to, func() answer {
				return here.patch("/users/"+grace.id+"/password", body("old_password", password, "new_password", password+"!"))
			})
			here.patch("/users/"+grace.id+"/password", body("old_password", password+"!", "new_password", password)).is(204)
			if answers[1].status != 204 || answers[0].status == 200 && !dead(answers[0]) {
				return "a branch of another log-in lives on after a new password, " + statuses(answers)
			}
			tokens = here
			answers = concurrently(to, to, func() answer { return oz.post("/users/"+grace.id+"/suspend", body("reason", "x", "scope", "account")) })
			live := s.count("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL AND user_id = '" + grace.id + "'")
			oz.post("/users/"+grace.id+"/activate", body("scope", "account")).is(200)
			if live > 0 {
				return fmt.Sprint(live, " sessions live on after ", statuses(answers))
			}
			return ""
		})
		race("switch against removal", func() string {
			join(grace)
			tokens := s.actorOf(s.logIn(grace.email, password, "organization_id", grace.organization).is(200))
			answers := concurrently(
				func() answer {
					return tokens.post("/auth/switch-organization", body("organization_id", ada.organization))
				},
				func() answer { return ada.delete(members + "/" + grace.id) },
			)
			if answers[1].status != 204 {
				return statuses(answers)
			}
			if answers[0].status == 200 {
				if a := s.actorOf(answers[0]).get(members); a.status != 404 {
					return "removed, but " + a.request + fmt.Sprint(" ", a.status)
				}
				if id := s.refresh(answers[0].str("refresh_token")).is(200).str("organization_id"); id != "" {
					return "removed, but refreshed into " + id
				}
			}
			return ""
		})
	})
}

// TestALogInWaitsForASuspension checks that a log-in waits for a suspension in progress,
// and is then refused. Otherwise a session would begin after the account's sessions were
// ended.
func TestALogInWaitsForASuspension(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		answered := make(chan answer, 1)
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			if err := s.kernel.Gate.LockUser(ctx, uuid.MustParse(ada.id)); err != nil {
				return err
			}
			err := s.kernel.DB.Conn(ctx).Exec("INSERT INTO user_suspensions (id, user_id, reason, suspended_at, suspended_by) VALUES (?, ?, 'x', ?, ?)",
				uuid.NewString(), ada.id, s.kernel.Now(), ada.id).Error
			if err != nil {
				return err
			}
			go func() { answered <- s.logIn(ada.email, password) }()
			select {
			case a := <-answered:
				t.Errorf("it did not wait: %d %s", a.status, a.body)
				answered <- a
			case <-time.After(300 * time.Millisecond): // a hash takes a tenth of that
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		(<-answered).is(403, "account_suspended")
	})
}
