package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/engine"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// TestEngines migrates PostgreSQL as if it were each distributed engine, up, down
// and up again, asks every kind of request, and holds every statement that was
// run against what is known of that engine. What scripts/engines prints comes
// from here.
func TestEngines(t *testing.T) {
	t.Parallel()
	for _, e := range engine.Distributed() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			s := startOn(t, e, platformtest.PostgresURL(t))
			s.asOwner()
			all := s.app.Migrations()
			if _, err := migrate.Down(s.ctx, s.kernel.DB, all, len(all)); err != nil {
				t.Fatal(err)
			}
			if _, err := migrate.Up(s.ctx, s.kernel.DB, all); err != nil {
				t.Fatal(err)
			}
			s.everyRequest()
			if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
				t.Error(broken)
			}
			var statements []string
			s.texts.Range(func(text, _ any) bool { statements = append(statements, text.(string)); return true })
			if len(statements) < 150 {
				t.Errorf("only %d statements were run", len(statements))
			}
			for _, s := range statements { // on which what is said of organizations_has_owner rests
				if strings.HasPrefix(engine.Normal(s), "delete from organizations ") || strings.HasPrefix(engine.Normal(s), "delete from organization_owners ") {
					t.Error(s)
				}
			}
			met, refused := limitsMet(e, statements, omitted(e, all))
			for _, r := range refused {
				t.Error(r)
			}
			tabulate(e, len(statements), met)
		})
	}
}

// everyRequest makes each kind of request at least once.
func (s *service) everyRequest() {
	s.t.Helper()
	ada, grace, oz := s.person("Ada"), s.person("Grace"), s.operator("Oz")
	s.measure(ada, grace)
	oz.get("/users?scope=all&count=true").is(200)
	oz.get("/organizations?scope=all&count=true&include_archived=true").is(200)
	oz.post("/users", body("email", newEmail(), "name", "New", "organization_id", ada.organization, "role", "admin")).is(201)
	ada.get(ada.org("/members?count=true")).is(200)
	ada.get(ada.org("/audit-events?count=true")).is(200)
	ada.post("/organizations", body("name", "x"), "Idempotency-Key", "k").is(201)
	ada.post("/organizations", body("name", "x"), "Idempotency-Key", "k").is(201)
	ada.post(ada.org("/members"), body("email", grace.email)).is(201)
	grace.get("/users/" + ada.id).is(200)
	grace.delete(ada.org("/members/" + grace.id)).is(204)
	grace.get("/users/" + ada.id).is(404)
	ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", password+"!")).is(204)
	s.logIn(ada.email, password).is(401)
	ada.post("/auth/logout", body("all", true)).is(204)
	oz.post("/users/"+ada.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
	oz.post("/users/"+ada.id+"/activate", body("scope", "account")).is(200)
	grace.post("/users/"+grace.id+"/archive", because()).is(200)
	oz.post("/users/"+grace.id+"/unarchive", because()).is(200)
	operators := access.NewPlatformAdmins(s.kernel.DB, s.kernel.Trail, s.kernel.Now)
	if _, err := operators.List(everything); err != nil {
		s.t.Error(err)
	}
	if _, err := operators.Revoke(everything, uuid.MustParse(oz.id), true); err != nil {
		s.t.Error(err)
	}
	if _, err := s.app.Sweep(s.ctx); err != nil {
		s.t.Error(err)
	}
	if err := s.kernel.DB.Writable(s.ctx); err != nil {
		s.t.Error(err)
	}
	if _, err := s.kernel.Trail.Verify(everything); err != nil {
		s.t.Error(err)
	}
}

// omitted are the statements of the migrations that an engine does not run.
func omitted(e engine.Engine, migrations []migrate.Migration) (statements []string) {
	for _, m := range migrations {
		for _, s := range append(m.Up(database.Postgres), m.Down(database.Postgres)...) {
			if e.Omits(s) {
				statements = append(statements, s)
			}
		}
	}
	return statements
}

// limitsMet counts the statements that meet each limit, and says of which there
// is nothing done about it.
func limitsMet(e engine.Engine, ran, omitted []string) (met map[string]int, refused []string) {
	met = map[string]int{}
	for _, s := range ran {
		for _, l := range e.Met(s) {
			if met[l.What]++; l.Omit || l.Instead == "" {
				refused = append(refused, fmt.Sprintf("%s: %s (%s): %s", e, l.What, l.Source, s))
			}
		}
	}
	for _, s := range omitted {
		for _, l := range e.Met(s) {
			met[l.What]++
		}
	}
	return met, refused
}

// tabulate writes the lines of an engine in the table of scripts/engines.
func tabulate(e engine.Engine, statements int, met map[string]int) {
	for _, l := range engine.Limits() {
		if l.Engine != e {
			continue
		}
		instead := l.Instead
		if met[l.What] == 0 {
			instead = "not met"
		}
		tableLine("| %s | %s | %d of %d | %s | %s |\n", e, l.What, met[l.What], statements, instead, l.Source)
	}
}

func tableLine(format string, args ...any) {
	name := os.Getenv("GUILDHALL_ENGINES_TABLE")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, format, args...)
}

// TestAStatementBeyondALimitIsRefused, for each limit that nothing is done about.
func TestAStatementBeyondALimitIsRefused(t *testing.T) {
	t.Parallel()
	for _, l := range engine.Limits() {
		met, refused := limitsMet(l.Engine, []string{l.Example}, nil)
		if want := l.Omit || l.Instead == ""; met[l.What] != 1 || want && len(refused) == 0 {
			t.Errorf("%s, %s: %v %v", l.Engine, l.What, met, refused)
		}
	}
}

// TestNewMigrationsChangeOneThing: those since 2026-11-25 have one statement each
// way, for engines that undo no half of a migration.
func TestNewMigrationsChangeOneThing(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	seen := 0
	for _, m := range s.app.Migrations() {
		if m.ID < "20261125" {
			continue
		}
		seen++
		if up, down := m.Up(database.Postgres), m.Down(database.Postgres); len(up) > 1 || len(down) > 1 {
			t.Errorf("%s has %d statements up and %d down: make migrations of them", m.ID, len(up), len(down))
		}
	}
	if seen == 0 {
		t.Error("looked at none")
	}
}

// TestTheTenantStandsInEveryKey of what an organization has, and the person in
// what a person has: but for sessions, which a token names by their id alone.
func TestTheTenantStandsInEveryKey(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t))
	keys := map[string]string{}
	for _, i := range uniqueKeys(t, s.kernel.DB) {
		if i.primary {
			keys[i.table] = strings.Join(i.columns, " ")
		}
	}
	alone := []string{"organizations", "users", "sessions", "session_writes", "audit_chains", "audit_events", "idempotency_keys", "rate_limits", "schema_migrations"}
	for _, table := range slices.Sorted(maps.Keys(keys)) {
		tenant, _, _ := strings.Cut(keys[table], " ")
		if want := map[bool]string{true: "organization_id", false: "user_id"}[strings.HasPrefix(table, "organization_")]; tenant != want && !slices.Contains(alone, table) {
			t.Errorf("%s has the key (%s), which does not begin with %s", table, keys[table], want)
		}
	}
	if len(keys) < 20 {
		t.Errorf("found %d tables", len(keys))
	}
}

type uniqueKey struct {
	table, name string
	columns     []string
	primary     bool
}

func uniqueKeys(t testing.TB, db *database.DB) []uniqueKey {
	t.Helper()
	rows, err := db.Conn(context.Background()).Raw(`SELECT t.relname, i.relname, x.indisprimary,
		(SELECT string_agg(a.attname, ' ' ORDER BY k.place) FROM unnest(x.indkey) WITH ORDINALITY k (number, place)
			JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number)
		FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
		WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace ORDER BY 1, 2`).Rows()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := database.Collect(rows, func(scan func(...any) error) (k uniqueKey, err error) {
		var columns string
		err = scan(&k.table, &k.name, &k.primary, &columns)
		k.columns = strings.Fields(columns)
		return k, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
