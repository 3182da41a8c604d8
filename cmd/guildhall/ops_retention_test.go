package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

const day = 24 * time.Hour

func keepingEvents(days time.Duration) func(*config.Config) {
	return func(c *config.Config) { c.AuditRetention = days * day }
}

// swept runs the sweep and returns how many rows of each kind were deleted.
func (s *service) swept() map[string]int64 {
	s.t.Helper()
	all, err := s.app.Sweep(s.ctx)
	if err != nil {
		s.t.Error(err)
	}
	rows := map[string]int64{}
	for _, kind := range all {
		rows[kind.Kind] = kind.Rows
	}
	return rows
}

// refused runs a statement that the database must refuse.
func (s *service) refused(statement, because string) {
	s.t.Helper()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error { return s.kernel.DB.Conn(ctx).Exec(statement).Error })
	if err == nil || !strings.Contains(err.Error(), because) {
		s.t.Errorf("%s: %v", statement, err)
	}
}

// logInAgain logs an actor in again.
func (s *service) logInAgain(a *actor) *actor {
	s.t.Helper()
	return s.actorOf(s.logIn(a.email, password).is(200))
}

// TestOldAuditEventsAreForgotten checks that retention deletes the oldest events of each
// list, that the rest still verifies, and that new events continue the chain.
func TestOldAuditEventsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		organization := ada.org("/audit-events")
		ada.patch(ada.org(""), body("name", "old")).is(200)
		s.later(60 * day)
		ada = s.logInAgain(ada)
		ada.patch(ada.org(""), body("name", "new")).is(200)
		ada.patch(ada.org(""), body("name", "newer")).is(200)
		kept := ada.get(organization).is(200).list()[:2]
		before := s.verified()
		if n := s.swept()["audit events"]; n != 0 {
			t.Errorf("%d were deleted too early", n)
		}

		s.later(31 * day)
		ada = s.logInAgain(ada)
		written := before.Events + 1
		if n := s.swept()["audit events"]; n == 0 || !strings.Contains(s.log.String(), fmt.Sprintf(`"msg":"swept","audit_events":%d`, n)) {
			t.Errorf("%d were deleted; the log:\n%s", n, s.log)
		}
		a := ada.get(organization + "?count=true").is(200)
		if got := a.list(); fmt.Sprint(got) != fmt.Sprint(kept) || a.header.Get("X-Total-Count") != "2" || got[1]["sequence"] != 3.0 {
			t.Errorf("%s", a.body)
		}
		// Of a user without newer events, only the head of the chain remains.
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE chain_id IN (?, ?)", grace.id, grace.organization); n != 0 {
			t.Errorf("Grace still has %d events", n)
		}
		after := s.verified()
		if after.Chains != before.Chains || after.Forgotten == 0 || after.Events+after.Forgotten != written {
			t.Errorf("%+v, then %+v", before, after)
		}
		if again := s.swept(); again["audit events"] != 0 || fmt.Sprint(s.verified()) != fmt.Sprint(after) {
			t.Errorf("swept again: %v, %+v", again, s.verified())
		}

		grace = s.logInAgain(grace)
		if e := grace.get("/users/" + grace.id + "/audit-events").is(200).list(); len(e) != 1 || e[0]["sequence"] != 3.0 || e[0]["action"] != "session.started" {
			t.Errorf("Grace's list continues with %v", e)
		}
		ada.patch(ada.org(""), body("name", "newest")).is(200)
		if e := ada.get(organization).list(); len(e) != 3 || e[0]["sequence"] != 5.0 {
			t.Errorf("the organization's list continues with %v", e)
		}
		s.verified()

		// Much later everything is old, also in chains that were emptied before.
		s.later(200 * day)
		s.swept()
		if v := s.verify(); v.Events != 0 || len(v.Broken) > 0 {
			t.Errorf("%+v", v)
		}
		s.later(200 * day)
		s.swept()
		s.logInAgain(grace)
		s.later(91 * day)
		if n := s.swept()["audit events"]; n != 1 {
			t.Errorf("%d deleted of one event in a chain that was empty", n)
		}
	}, keepingEvents(90))
}

// TestAuditEventsAreKeptForEver checks the default: no event is deleted.
func TestAuditEventsAreKeptForEver(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.person("Ada")
		before := s.verified()
		s.later(80 * 365 * day)
		if n := s.swept()["audit events"]; n != 0 || fmt.Sprint(s.verified()) != fmt.Sprint(before) {
			t.Errorf("%d were deleted", n)
		}
	})
}

// record writes the same event n times in one transaction.
func record(t testing.TB, db *database.DB, trail *audit.Trail, event audit.Event, n int) {
	t.Helper()
	err := db.InTx(everything, func(ctx context.Context) error {
		for range n {
			if err := trail.Record(ctx, event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestManyOldEventsGoBatchByBatch checks that old events are deleted in batches, and that
// none behind a younger one is deleted, because the rest must be a chain.
func TestManyOldEventsGoBatchByBatch(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		past := audit.New(s.kernel.DB, func() time.Time { return s.kernel.Now().Add(-91 * day) }, access.ActorOf)
		busy := audit.Event{Action: audit.OrganizationRenamed, OrganizationID: audit.In(uuid.New())}
		record(t, s.kernel.DB, past, busy, 1001)
		record(t, s.kernel.DB, s.kernel.Trail, busy, 1)
		record(t, s.kernel.DB, past, busy, 3)
		for range 120 {
			record(t, s.kernel.DB, past, audit.Event{Action: audit.OrganizationRenamed, OrganizationID: audit.In(uuid.New())}, 2)
		}
		if n := s.swept()["audit events"]; n != 1001+240 {
			t.Errorf("%d deleted", n)
		}
		if v := s.verified(); v.Events != 4 || v.Chains != 121 {
			t.Errorf("%+v", v)
		}
	}, keepingEvents(90))
}

// TestOnlyWhatTheHeadGaveUpCanBeDeleted checks that the database refuses every change,
// and every deletion of events that the head of the chain still counts.
func TestOnlyWhatTheHeadGaveUpCanBeDeleted(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for i := range 4 {
			ada.patch(ada.org(""), body("name", fmt.Sprint(i))).is(200)
		}
		which := " WHERE chain_id = '" + ada.organization + "'"
		s.refused("DELETE FROM audit_events", "never changed")
		s.refused("DELETE FROM audit_events"+which+" AND sequence = 1", "never changed")
		if s.kernel.DB.Driver() == database.SQLite {
			s.refused("INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events"+which+" AND sequence = 2", "never changed")
		}
		s.exec("UPDATE audit_chains SET first_sequence = 3 WHERE id = ?", ada.organization)
		s.refused("DELETE FROM audit_events"+which, "never changed")
		s.refused("DELETE FROM audit_events"+which+" AND sequence = 3", "never changed")
		because := "never changed"
		if s.kernel.Config.DatabaseRowSecurity {
			because = "permission denied"
		}
		s.refused("UPDATE audit_events SET actor_role = 'x'"+which+" AND sequence = 1", because)
		for _, change := range []string{"client = 'x'", "address = ''", "details = '{\"a\":\"b\"}'"} {
			s.refused("UPDATE audit_events SET "+change+which+" AND sequence = 2", "never changed")
		}
		s.exec("DELETE FROM audit_events" + which + " AND sequence < 3")
		if n := s.count("SELECT COUNT(*) FROM audit_events" + which); n != 3 {
			t.Errorf("%d events are left", n)
		}
		if v := s.verify(); len(v.Broken) != 1 { // because the head's hash was not changed
			t.Errorf("%+v", v)
		}
	}, keepingEvents(90))
}

func (s *service) verify() audit.Verified {
	s.t.Helper()
	v, err := s.kernel.Trail.Verify(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// TestForgedTrailAfterRetention checks that verification detects changes to the remaining
// events, and to what their head says about deleted ones. Nothing more is deleted from a
// broken chain; other chains are unaffected.
func TestForgedTrailAfterRetention(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		ada, grace := s.person("Ada"), s.person("Grace")
		for i := range 3 {
			ada.patch(ada.org(""), body("name", fmt.Sprint(i))).is(200)
		}
		s.later(60 * day)
		ada = s.logInAgain(ada)
		for i := range 3 {
			ada.patch(ada.org(""), body("name", fmt.Sprint("new ", i))).is(200)
		}
		s.later(31 * day)
		forgotten := s.verified().Digest
		s.exec("CREATE TABLE all_events AS SELECT * FROM audit_events")
		if s.swept()["audit events"] == 0 || s.verified().Digest != forgotten {
			t.Error("the digest stored elsewhere no longer matches the audit log")
		}
		s.unguardEvents()
		s.exec("CREATE TABLE kept AS SELECT * FROM audit_events")
		s.exec("CREATE TABLE heads AS SELECT * FROM audit_chains")
		which, head, empty := " WHERE chain_id = '"+ada.organization+"'", " WHERE id = '"+ada.organization+"'", " WHERE id = '"+grace.id+"'"
		forgeries := []string{
			"DELETE FROM audit_events" + which + " AND sequence = 5",
			"DELETE FROM audit_events" + which + " AND sequence = 6",
			"DELETE FROM audit_events" + which + " AND sequence = 7",
			"DELETE FROM audit_events" + which,
			"UPDATE audit_events SET client = 'x'" + which + " AND sequence = 5",
			"INSERT INTO audit_events SELECT * FROM all_events" + which + " AND sequence = 4",
			"INSERT INTO audit_events SELECT * FROM all_events" + which + " AND sequence = 1",
			"UPDATE audit_chains SET first_sequence = 6" + head,
			"UPDATE audit_chains SET first_sequence = 4" + head,
			"UPDATE audit_chains SET first_sequence = 1, first_hash = ''" + head,
			"UPDATE audit_chains SET first_hash = 'x'" + head,
			"UPDATE audit_chains SET first_hash = hash" + head,
			"UPDATE audit_chains SET first_sequence = 2" + empty,
			"UPDATE audit_chains SET first_sequence = 4" + empty,
			"UPDATE audit_chains SET first_hash = 'x'" + empty,
			"UPDATE audit_chains SET hash = 'x'" + empty,
		}
		for _, forgery := range forgeries {
			s.exec(forgery)
			if v := s.verify(); len(v.Broken) != 1 || !strings.Contains(v.Broken[0], ada.organization) && !strings.Contains(v.Broken[0], grace.id) {
				t.Errorf("%s: %+v", forgery, v)
			}
			s.exec("DELETE FROM audit_events")
			s.exec("DELETE FROM audit_chains")
			s.exec("INSERT INTO audit_chains SELECT * FROM heads")
			s.exec("INSERT INTO audit_events SELECT * FROM kept")
		}
		s.verified()

		s.later(60 * day)
		s.logInAgain(ada)
		s.exec("UPDATE audit_events SET client = 'x'" + which + " AND sequence = 6")
		s.exec("DELETE FROM audit_events WHERE chain_id = '" + ada.id + "'")
		all, err := s.app.Sweep(s.ctx)
		if err == nil || !strings.Contains(err.Error(), "no events of it are deleted") || !slices.Contains(all, platform.Swept{Kind: "sessions", Rows: 1}) {
			t.Errorf("%v: %v", all, err)
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events" + which); n != 3 {
			t.Errorf("%d events are left of a broken chain", n)
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE NOT chain_id = ?", ada.organization); n != 0 {
			t.Errorf("%d events are left of the others", n)
		}
		if broken := s.verify().Broken; len(broken) != 2 {
			t.Errorf("%v", broken)
		}
	}, keepingEvents(90))
}

// TestForgettingWhileEventsAreWritten runs sweeps on several replicas while others write
// old and new events. No event that must remain is deleted.
func TestForgettingWhileEventsAreWritten(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		past := audit.New(s.kernel.DB, func() time.Time { return s.kernel.Now().Add(-91 * day) }, access.ActorOf)
		organizations := make([]audit.Event, 4)
		for i := range organizations {
			organizations[i] = audit.Event{Action: audit.OrganizationRenamed, OrganizationID: audit.In(uuid.New())}
			record(t, s.kernel.DB, past, organizations[i], 450)
		}
		const rounds = 25
		var writing atomic.Int64
		writing.Store(4)
		var wg sync.WaitGroup
		for range writing.Load() {
			wg.Go(func() {
				defer writing.Add(-1)
				for round := range rounds {
					trail := past
					if round > rounds/2 {
						trail = s.kernel.Trail
					}
					err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
						for _, e := range organizations {
							if err := trail.Record(ctx, e); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		var forgotten atomic.Int64
		for range 3 {
			wg.Go(func() {
				for writing.Load() > 0 {
					forgotten.Add(s.swept()["audit events"])
				}
			})
		}
		wg.Wait()
		forgotten.Add(s.swept()["audit events"])
		v := s.verified()
		if v.Forgotten != forgotten.Load() || v.Events+v.Forgotten != 4*450+4*4*rounds {
			t.Errorf("%d were reported as deleted: %+v", forgotten.Load(), v)
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE occurred_at > ?", s.kernel.Now().Add(-day)); n != 4*4*(rounds-rounds/2-1) {
			t.Errorf("%d young events are left", n)
		}
	}, keepingEvents(90))
}

// TestRetentionOfAnOlderDatabase checks that retention works on an audit log from before
// it existed, and that a rollback restores the old trigger, which allows no deletion.
func TestRetentionOfAnOlderDatabase(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		s.person("Ada")
		events := s.verified().Events
		known := s.app.Migrations()
		added := slices.IndexFunc(known, func(m migrate.Migration) bool { return strings.HasSuffix(m.ID, "_audit_retention") })
		if _, err := migrate.Down(s.ctx, s.kernel.DB, known, len(known)-added); err != nil {
			t.Fatal(err)
		}
		s.refused("DELETE FROM audit_events", "never changed")
		if _, err := migrate.Up(s.ctx, s.kernel.DB, known); err != nil {
			t.Fatal(err)
		}
		s.verified()
		if n := s.swept()["audit events"]; n != 0 {
			t.Errorf("%d were deleted too early", n)
		}
		s.later(91 * day)
		if n := s.swept()["audit events"]; n != events {
			t.Errorf("%d of %d were deleted", n, events)
		}
	}, keepingEvents(90))
}

// TestSweepCommand checks that `sweep` deletes according to the settings of the
// environment, and prints how much.
func TestSweepCommand(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		s.asOwner()
		s.later(-40 * day)
		ada := s.person("Ada")
		ada.post("/organizations", body("name", "x"), "Idempotency-Key", "k").is(201)
		ada.post("/auth/logout", nil).is(204)
		s.later(time.Second)
		s.logInAgain(ada)
		s.later(40 * day)
		events := s.verified().Events
		dir := t.TempDir()
		out, status := run(t, dir, inProduction(databaseURL), "sweep")
		if status != 0 || !strings.Contains(out, "sessions: 1 deleted\n") || !strings.Contains(out, "idempotency keys: 1 deleted\n") || !strings.Contains(out, "audit events: 0 deleted\n") {
			t.Errorf("%d\n%s", status, out)
		}
		environ := inProduction(databaseURL, "AUDIT_RETENTION_DAYS=39")
		if out, status := run(t, dir, environ, "sweep"); status != 0 || !strings.Contains(out, fmt.Sprintf("audit events: %d deleted\n", events)) {
			t.Errorf("%d\n%s", status, out)
		}
		if out, status := run(t, dir, environ, "audit", "verify"); status != 0 || !strings.HasPrefix(out, fmt.Sprintf("0 events in 3 chains, %d deleted before them", events)) {
			t.Errorf("%d\n%s", status, out)
		}
		for _, bad := range []string{"SESSION_RETENTION_DAYS=0", "IDEMPOTENCY_KEY_RETENTION_HOURS=721", "AUDIT_RETENTION_DAYS=-1", "AUDIT_RETENTION_DAYS=1.5"} {
			name, _, _ := strings.Cut(bad, "=")
			if out, status := run(t, dir, inProduction(databaseURL, bad), "sweep"); status != 1 || !strings.Contains(out, name+": ") {
				t.Errorf("%s: %d\n%s", bad, status, out)
			}
		}
	})
}

// TestRetentionUnderRowSecurity checks that a service whose role may not delete audit
// events reports it at the start, and that the tables' owner can run the sweep instead.
func TestRetentionUnderRowSecurity(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.PostgresURL(t)
	s := start(t, databaseURL, func(c *config.Config) { underRowSecurity(t, c) })
	s.later(-40 * day)
	ada := s.person("Ada")
	ada.patch(ada.org(""), body("name", "x")).is(200)
	s.later(40 * day)
	dir := t.TempDir()
	environ := func(url string) []string {
		return inProduction(url, "DATABASE_ROW_SECURITY=true", "AUDIT_RETENTION_DAYS=30")
	}
	service := s.kernel.Config.DatabaseURL.Reveal()
	for _, command := range []string{"serve", "sweep", "check"} {
		if out, status := run(t, dir, environ(service), command); status != 1 || !strings.Contains(out, "AUDIT_RETENTION_DAYS") || !strings.Contains(out, "guildhall sweep") {
			t.Errorf("%s: %d\n%s", command, status, out)
		}
	}
	s.refused("DELETE FROM audit_events", "permission denied")
	owner := ownedBy(t, databaseURL)
	if out, status := run(t, dir, environ(owner), "sweep"); status != 0 || strings.Contains(out, "audit events: 0") {
		t.Errorf("%d\n%s", status, out)
	}
	if v := s.verify(); v.Events != 0 || v.Forgotten == 0 || len(v.Broken) > 0 {
		t.Errorf("%+v", v)
	}
	s.logInAgain(ada)
	s.verified()
}

// ownedBy makes a role without superuser rights the owner of the tables, and returns its
// URL.
func ownedBy(t testing.TB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	role := "owner_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = admin.ExecContext(context.Background(), strings.ReplaceAll(`CREATE ROLE the_owner LOGIN;
		DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE format('ALTER TABLE %I OWNER TO the_owner', name); END LOOP;
			FOR name IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO the_owner', name); END LOOP;
		END $$`, "the_owner", role))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}
