package main

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/platformtest"
)

// TestStatementsPerRequest checks that the number of SQL statements of each endpoint does
// not grow with the amount of data, and stays below a maximum.
func TestStatementsPerRequest(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace")
		s.addCrowd(ada, 2, 2)
		ada.makesKey("scopes", both) // reads the registered APIs, which a process keeps
		small := s.measure(ada, grace)
		s.addCrowd(ada, 60, 60)
		large := s.measure(ada, grace)
		for i := range small {
			if small[i].statements != large[i].statements {
				t.Errorf("%s: %d statements with few, %d with many", small[i].name, small[i].statements, large[i].statements)
			}
			if large[i].statements > large[i].most {
				t.Errorf("%s: %d statements, at most %d", large[i].name, large[i].statements, large[i].most)
			}
		}
	})
}

// TestWhatOthersDoLeavesTheGateItsMemory checks the gate's cache on SQLite: a
// registration, a log-in, a new organization or a new member changes no other user's
// standing, so the next request of a cached user takes no statement. Changes that may
// affect it invalidate the cache.
func TestWhatOthersDoLeavesTheGateItsMemory(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada, grace, mary := s.person("Ada"), s.person("Grace"), s.person("Mary")
	asks := func() int64 {
		before := s.statements.Load()
		ada.get("/auth/me").is(200)
		return s.statements.Load() - before
	}
	asks() // once without a cache entry,
	asks() // and once to fill the cache
	for what, do := range map[string]func(){
		"nothing":         func() {},
		"a registration":  func() { s.person("New") },
		"a log-in":        func() { s.logIn(grace.email, password).is(200) },
		"an organization": func() { grace.post("/organizations", body("name", "new")).is(201) },
		"a member":        func() { grace.post(grace.org("/members"), body("user_id", mary.id)).is(201) },
	} {
		if do(); asks() != 0 {
			t.Errorf("after %s the gate queries the database", what)
		}
	}
	grace.post(grace.org("/suspend"), because()).is(200)
	if asks() == 0 {
		t.Error("after a suspension the gate does not query the database")
	}
}

// TestNoStatementReadsAWholeTable checks the databases' plans for the statements of the
// endpoints. Only a page that was already limited, or a row of parameters, may be
// scanned, never a table. PostgreSQL is configured to assume large tables, and to scan
// one only if no index would do.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL, keepingEvents(90))
		ada, grace := s.person("Ada"), s.person("Grace")
		s.addCrowd(ada, 50, 50)
		s.texts.Clear()
		s.measure(ada, grace)
		s.later(100 * 24 * time.Hour)
		if swept := s.swept(); swept["sessions"] == 0 || swept["audit events"] == 0 {
			t.Errorf("swept %v", swept)
		}
		s.readsNoWholeTable(databaseURL)
	})
}

// TestTheWholeTrailIsReadByItsIndexes checks the same for the list of all events: with each filter
// it is read in the order of the index for it.
func TestTheWholeTrailIsReadByItsIndexes(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		root := s.operator("Root")
		if s.kernel.DB.Driver() == database.Postgres {
			enlarge(t, databaseURL)
		}
		for query, index := range map[string]string{
			"":                                     "audit_events_by_time",
			"since=2026-01-01T00:00:00Z":           "audit_events_by_time",
			"until=2126-01-01T00:00:00Z":           "audit_events_by_time",
			"action=session.started":               "audit_events_by_time",
			"actor_user_id=" + root.id:             "audit_events_by_actor_and_time",
			"user_id=" + root.id:                   "audit_events_by_user_and_time",
			"organization_id=" + root.organization: "audit_events",
		} {
			s.texts.Clear()
			for next := "/api/v1/audit-events?limit=1&" + query; next != ""; {
				links := s.do("GET", next, root.access, nil).is(200).links()
				if prev := links["prev"]; prev != "" {
					s.do("GET", prev, root.access, nil).is(200)
				}
				next = links["next"]
			}
			read := 0
			s.eachOfFew(func(text string) {
				if !strings.Contains(text, "FROM audit_events") {
					return
				}
				read++
				s.checkPlan(text)
				if steps := strings.Join(s.plan(text), "\n"); !strings.Contains(steps, index) {
					t.Errorf("%s: not by %s:\n%s\n%s", query, index, text, steps)
				}
			})
			if read == 0 {
				t.Errorf("%s: no statement", query)
			}
		}
	})
}

// TestNoProofReadsAWholeTable does the same for challenges and what answers them.
func TestNoProofReadsAWholeTable(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL, withMailbox, logInByEmail, limited)
		s.texts.Clear()
		ada := s.verifiedPerson("Ada")
		s.enter("challenge_token", s.ask("log_in", ada.email), "code", s.mail(ada.email, "log_in_code").code()).is(200)
		ada.post("/auth/step-up", body("password", password)).is(200)
		ada.changeEmail("ada@moved.example.com").is(200)
		s.public("/auth/register", "email", ada.email, "name", "Eve", "password", password).is(409)
		s.logInAs("another device", "ada@moved.example.com", password).is(200)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "email_changed").link()).is(204)
		s.ask("reset_password", "nobody@example.com")
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		s.later(100 * 24 * time.Hour)
		if swept := s.swept(); swept["challenges"] == 0 {
			t.Errorf("swept %v", swept)
		}
		s.texts.Range(func(text, _ any) bool {
			if strings.Contains(text.(string), "state = 'kept'") { // of the mailbox, in development only
				s.texts.Delete(text)
			}
			return true
		})
		s.readsNoWholeTable(databaseURL)
		for condition, index := range map[string]string{
			"WHERE token_hash = ?":                    "challenges_by_token",
			"WHERE link_hash = ?":                     "challenges_by_link",
			"WHERE user_id = ? AND consumed_at":       "challenges_of_user",
			"WHERE email_canonical = ? AND purpose =": "challenges_reserving",
			"WHERE expires_at < ?":                    "challenges_by_end",
		} {
			found := false
			s.eachText(func(text string) {
				if !strings.Contains(text, "challenges") || !strings.Contains(parameter.ReplaceAllString(text, "?"), condition) {
					return
				}
				found = true
				if steps := strings.Join(s.plan(text), "\n"); !strings.Contains(steps, index) {
					t.Errorf("not by %s:\n%s\n%s", index, text, steps)
				}
			})
			if !found {
				t.Errorf("no statement has %s", condition)
			}
		}
	})
}

// readsNoWholeTable checks the plans of the statements that were run.
func (s *service) readsNoWholeTable(databaseURL string) {
	s.t.Helper()
	if s.kernel.DB.Driver() == database.Postgres {
		enlarge(s.t, databaseURL)
	}
	s.eachText(s.checkPlan)
}

// enlarge makes PostgreSQL assume a million rows per page for each table, so that a plan
// does not depend on the statistics of the few existing rows.
func enlarge(t testing.TB, databaseURL string) {
	t.Helper()
	superuser, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer superuser.Close()
	_, err = superuser.Exec("UPDATE pg_class SET relpages = 1, reltuples = 1000000 WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)")
	if err != nil {
		t.Fatal(err)
	}
}

// checkPlan fails if a statement reads a whole table.
func (s *service) checkPlan(text string) {
	s.t.Helper()
	for _, step := range s.plan(text) {
		if wholeTable.MatchString(step) && !wholeButSmall.MatchString(step) {
			s.t.Errorf("%s in\n%s", step, text)
		}
	}
}

// eachText visits the statements that were run. It fails if there were few.
func (s *service) eachText(visit func(text string)) {
	s.t.Helper()
	if visited := s.eachOfFew(visit); visited < 40 {
		s.t.Errorf("only %d statements were run", visited)
	}
}

// eachOfFew visits the statements that were run and counts them.
func (s *service) eachOfFew(visit func(text string)) (visited int) {
	s.t.Helper()
	s.texts.Range(func(key, _ any) bool {
		text := key.(string)
		if slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "INSERT"}, strings.Fields(text)[0]) {
			visited++
			visit(text)
		}
		return true
	})
	return visited
}

var (
	wholeTable    = regexp.MustCompile(`^(SCAN |.*Seq Scan on )`)
	wholeButSmall = regexp.MustCompile(`^SCAN (k|page|m|first|found|CONSTANT ROW|\d+-ROW VALUES CLAUSE|\(subquery-\d+\)|json_each VIRTUAL TABLE INDEX 1:|signing_keys)$|^SCAN (a|apis|api_scopes)\b|Seq Scan on (signing_keys|apis|api_scopes) `)
	parameter     = regexp.MustCompile(`\$(\d+)`)
)

// plan returns the database's plan for a statement.
func (s *service) plan(text string) (steps []string) {
	s.t.Helper()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		conn, explain, nulls := s.kernel.DB.Conn(ctx), "EXPLAIN QUERY PLAN "+text, slices.Repeat([]any{nil}, strings.Count(text, "?"))
		if s.kernel.DB.Driver() == database.Postgres {
			highest := 0
			for _, p := range parameter.FindAllStringSubmatch(text, -1) {
				n, _ := strconv.Atoi(p[1])
				highest = max(highest, n)
			}
			// With little memory no plan hashes a whole table for a subquery: below a hash,
			// PostgreSQL 18 ignores that scans are disabled.
			for _, set := range []string{"SET LOCAL enable_seqscan = off", "SET LOCAL work_mem = '64kB'", "SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE explained AS " + text} {
				if err := conn.Exec(set).Error; err != nil {
					return err
				}
			}
			explain, nulls = "EXPLAIN EXECUTE explained", nil
			if highest > 0 {
				explain += "(" + strings.TrimSuffix(strings.Repeat("NULL,", highest), ",") + ")"
			}
		}
		rows, err := conn.Raw(explain, nulls...).Rows()
		if err != nil {
			return err
		}
		steps, err = database.Collect(rows, func(scan func(...any) error) (step string, err error) {
			if s.kernel.DB.Driver() == database.Postgres {
				return step, scan(&step)
			}
			var a, b, c int
			return step, scan(&a, &b, &c, &step)
		})
		if err == nil && s.kernel.DB.Driver() == database.Postgres {
			err = conn.Exec("DEALLOCATE explained").Error
		}
		return err
	})
	if err != nil {
		s.t.Errorf("%v: %s", err, text)
	}
	return steps
}

type measured struct {
	name             string
	statements, most int64
}

// measure makes requests that change nothing in the end.
func (s *service) measure(ada, grace *actor) (all []measured) {
	s.t.Helper()
	one := func(most int64, name string, do func() answer) answer {
		s.t.Helper()
		before := s.statements.Load()
		a := do()
		if a.status >= 300 {
			s.t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		all = append(all, measured{name, s.statements.Load() - before, most})
		return a
	}
	get := func(most int64, path string) {
		for range 2 { // on SQLite the gate caches the standing at the second request
			ada.get(path)
		}
		one(most, "GET "+path, func() answer { return ada.get(path) })
	}
	post := func(most int64, path string, b map[string]any) {
		one(most, "POST "+path, func() answer { return ada.post(path, b) })
	}
	get(2, "/auth/me")
	get(2, "/auth/me/organizations")
	get(2, "/users?limit=1000")
	get(3, "/users?limit=5&count=true")
	get(2, "/organizations?limit=1000")
	get(3, "/organizations?include_archived=true&count=true")
	get(2, ada.org(""))
	get(2, ada.org("/members?limit=1000"))
	back := "limit=5&cursor=" + field.Cursor{ID: uuid.Max, Backward: true}.String()
	get(2, "/users?"+back)
	get(2, "/organizations?"+back)
	get(2, "/auth/sessions?"+back)
	get(2, ada.org("/members?"+back))
	get(2, ada.org("/members?q=crowd+example&limit=5&cursor="+field.Cursor{Key: "crowd", ID: uuid.Max, Backward: true}.String()))
	get(2, ada.org("/members?q=crowd+example"))
	get(3, "/users?q=a&limit=5&count=true")
	get(2, ada.org("/admins?limit=1000"))
	get(2, ada.org("/owner"))
	get(2, ada.org("/permissions/"+ada.id))
	get(3, "/users/"+ada.id)
	get(2, "/auth/sessions")
	get(2, ada.org("/audit-events?action=member.added&actor_user_id="+ada.id))
	get(4, "/users/"+ada.id+"/audit-events?count=true")
	one(7, "PATCH profile", func() answer { return ada.patch("/users/"+ada.id+"/profile", body("bio", "x")) })
	one(11, "PATCH organization", func() answer { return ada.patch(ada.org(""), body("name", "x")) })
	post(9, ada.org("/members"), body("user_id", grace.id))
	post(9, ada.org("/admins"), body("user_id", grace.id))
	post(12, "/users/"+grace.id+"/suspend", because())
	post(11, "/users/"+grace.id+"/activate", body())
	post(10, "/users/"+grace.id+"/deactivate", body())
	post(11, "/users/"+grace.id+"/activate", body())
	post(13, ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id))
	one(13, "POST transfer back", func() answer {
		return grace.post(ada.org("/transfer-ownership"), body("new_owner_user_id", ada.id))
	})
	one(9, "DELETE admin", func() answer { return ada.delete(ada.org("/admins/" + grace.id)) })
	one(10, "DELETE member", func() answer { return ada.delete(ada.org("/members/" + grace.id)) })
	invited := one(11, "POST invitation", func() answer { return ada.invites(grace.email, "deliver", false) })
	get(2, ada.org("/invitations?limit=1000&status=open&q=grace"))
	resent := one(10, "POST resend", func() answer {
		return ada.post(ada.org("/invitations/"+invited.str("id")+"/resend"), body("deliver", false))
	})
	one(5, "POST preview", func() answer { return s.previews(tokenOf(resent)) })
	one(24, "POST accept", func() answer { return grace.accepts(tokenOf(resent)) })
	ada.delete(ada.org("/members/" + grace.id))
	link := one(8, "POST link", func() answer { return ada.post(ada.org("/invitation-links"), body()) })
	get(2, ada.org("/invitation-links?limit=1000"))
	one(26, "POST accept by link", func() answer { return grace.accepts(tokenOf(link)) })
	ada.delete(ada.org("/members/" + grace.id))
	one(8, "DELETE link", func() answer { return ada.delete(ada.org("/invitation-links/" + link.str("id"))) })
	machine := one(18, "POST service account", func() answer { return ada.post(ada.org("/service-accounts"), body("name", "M")) }).str("id")
	get(2, ada.org("/service-accounts?limit=1000"))
	made := one(9, "POST key", func() answer { return ada.makesKey("user_id", machine) })
	get(2, ada.org("/api-keys?limit=1000"))
	get(2, ada.org("/api-keys/"+made.str("id")))
	get(2, "/auth/me/api-keys?limit=1000")
	key := ada.byKey(made)
	one(4, "first use of a key", func() answer { return key.get("/auth/me") })
	one(1, "use of a key", func() answer { return key.get("/auth/me") })
	s.later(time.Minute)
	ada.makesKey("scopes", both) // reads the registered APIs, which a process keeps for some seconds
	rotated := one(11, "POST rotate", func() answer { return ada.post(ada.org("/api-keys/"+made.str("id")+"/rotate"), body()) })
	one(10, "DELETE key", func() answer { return ada.delete(ada.org("/api-keys/" + rotated.str("id"))) })
	one(18, "DELETE service account", func() answer { return ada.delete(ada.org("/members/" + machine)) })
	ada.invites(grace.email, "deliver", false)
	s.proved(grace)
	mine := one(4, "GET my invitations", func() answer { return grace.get("/auth/me/invitations") })
	one(10, "POST decline", func() answer {
		return grace.post("/auth/me/invitations/"+mine.list()[0]["id"].(string)+"/decline", nil)
	})
	post(11, ada.org("/suspend"), because())
	post(9, ada.org("/activate"), body())
	post(10, ada.org("/archive"), because())
	post(9, ada.org("/unarchive"), body())
	post(10, "/auth/switch-organization", body("organization_id", ada.organization))
	a := one(9, "log in", func() answer { return s.logIn(ada.email, password) })
	one(5, "refresh", func() answer { return s.refresh(a.str("refresh_token")) })
	one(9, "log out", func() answer { return s.actorOf(a).post("/auth/logout", nil) })
	one(20, "register", func() answer {
		return s.do("POST", "/api/v1/auth/register", "", body("email", fmt.Sprintf("r%d@example.com", people.Add(1)), "password", password, "name", "R"))
	})
	return all
}
