package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
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

// unsupported is a feature that an engine rejects, or implements differently from
// PostgreSQL, according to its documentation as of November 2026 (not tested on the
// engine). No statement of ours may use it. Patterns match normal(statement).
type unsupported struct {
	engine  engine.Engine
	what    string
	pattern *regexp.Regexp
	except  *regexp.Regexp // a match of this is fine
	example string
}

var re = regexp.MustCompile

// Sources: CockroachDB v26.3 docs (PostgreSQL Compatibility, Known Limitations),
// YugabyteDB stable docs (Unsupported PostgreSQL features, ALTER TABLE), Citus docs of
// April 2025 (Limitations).
var unsupportedFeatures = []unsupported{
	{engine.CockroachDB, "no deferrable constraints", re(`\bdeferrable\b|\binitially deferred\b`), nil, "ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b (a) DEFERRABLE INITIALLY DEFERRED"},
	{engine.CockroachDB, "advisory locks are accepted and lock nothing", re(`\bpg_(try_)?advisory_`), nil, "SELECT pg_advisory_xact_lock(1)"},
	{engine.CockroachDB, "no LISTEN and NOTIFY", re(`^(listen|notify|unlisten)\b|\bpg_notify\(`), nil, "NOTIFY changed"},
	{engine.CockroachDB, "no domains and range types", re(`^create domain\b|\b(ts|tstz|int4|int8|num|date)(multi)?range\b`), nil, "CREATE DOMAIN email AS text"},
	{engine.CockroachDB, "a primary key is dropped and added in one statement", re(`\bdrop constraint \w+_pkey\b`), re(`\badd constraint \w+ primary key\b`), "ALTER TABLE a DROP CONSTRAINT a_pkey"},
	{engine.CockroachDB, "no statement triggers, UPDATE OF, INSTEAD OF, REFERENCING, constraint triggers", re(`^create constraint trigger\b|^create trigger .*\b(for each statement|update of|instead of|referencing)\b`), nil, "CREATE TRIGGER t AFTER UPDATE OF name ON a FOR EACH ROW EXECUTE FUNCTION f()"},
	{engine.CockroachDB, "PL/pgSQL without PERFORM, EXECUTE, FOREACH, FOUND, %TYPE, ASSERT", re(`^create (or replace )?function\b.*(\b(perform|execute|foreach|found|assert|get diagnostics)\b|%(row)?type)`), nil, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$"},
	{engine.CockroachDB, "one statement does not change a table twice", re(`^with\b.*\bas (materialized |not materialized )?\( ?(insert|update|delete)\b`), nil, "WITH x AS (DELETE FROM a RETURNING id) INSERT INTO a SELECT id FROM x"},
	{engine.CockroachDB, "no expressions as targets of ON CONFLICT", re(`\bon conflict \([^)]*\(`), nil, "INSERT INTO a VALUES (1) ON CONFLICT (lower(email)) DO NOTHING"},
	{engine.CockroachDB, "the division of integers gives decimals", re(`[\w)] ?/ ?[\w($]`), nil, "SELECT n / 2 FROM a"},
	{engine.CockroachDB, "SET is not undone by ROLLBACK", re(`^(set|reset)\b`), re(`^set local\b`), "SET search_path = x"},
	{engine.CockroachDB, "no added column with a sequence or an identity", re(`\b(small|big)?serial\b|\bas identity\b|\bnextval\(`), nil, "ALTER TABLE a ADD COLUMN n bigserial"},
	{engine.YugabyteDB, "no deferrable constraints but foreign keys", re(`\b(unique|primary key)( \([^)]*\))? deferrable\b`), nil, "ALTER TABLE a ADD CONSTRAINT u UNIQUE (b) DEFERRABLE"},
	{engine.YugabyteDB, "advisory locks only where a flag is set", re(`\bpg_(try_)?advisory_`), nil, "SELECT pg_try_advisory_lock(1)"},
	{engine.YugabyteDB, "no LISTEN and NOTIFY", re(`^(listen|notify|unlisten)\b|\bpg_notify\(`), nil, "LISTEN changed"},
	{engine.YugabyteDB, "no LOCK TABLE", re(`^lock\b`), nil, "LOCK TABLE a IN EXCLUSIVE MODE"},
	{engine.YugabyteDB, "no exclusion constraints", re(`\bexclude (using \w+ )?\(`), nil, "CREATE TABLE a (n bigint, EXCLUDE USING btree (n WITH =))"},
	{engine.YugabyteDB, "no GiST and few other kinds of index", re(`\busing (gist|spgist|gin|brin|hash)\b`), nil, "CREATE INDEX i ON a USING gist (n)"},
	{engine.YugabyteDB, "no constraint triggers, no REFERENCING", re(`^create constraint trigger\b|^create trigger .*\breferencing\b`), nil, "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()"},
	{engine.YugabyteDB, "no unlogged tables, no inheritance", re(`^create unlogged\b|\binherits \(`), nil, "CREATE UNLOGGED TABLE a (id uuid)"},
	{engine.YugabyteDB, "no stored generated columns", re(`\bgenerated always as \(`), nil, "CREATE TABLE a (n bigint, m bigint GENERATED ALWAYS AS (n + 1) STORED)"},
	{engine.YugabyteDB, "no transaction ids", re(`\b(xmin|xmax|cmin|cmax|txid_current|pg_current_xact_id)\b`), nil, "SELECT xmin FROM a"},
	{engine.YugabyteDB, "a changed type rewrites the table and loses what is written meanwhile", re(`^alter table\b.*\balter (column )?\w+ (set data )?type\b`), nil, "ALTER TABLE a ALTER COLUMN n TYPE text"},
	{engine.Citus, "no rules", re(`^create (or replace )?rule\b`), nil, "CREATE RULE r AS ON DELETE TO a DO INSTEAD NOTHING"},
	{engine.Citus, "no subqueries within INSERT", re(`^insert into\b.*\bvalues\b.*\( ?select\b`), nil, "INSERT INTO a (n) VALUES ((SELECT 1))"},
	{engine.Citus, "no volatile functions in UPDATE", re(`^update\b.*\b(random|gen_random_uuid|clock_timestamp|nextval|timeofday)\(`), nil, "UPDATE a SET n = random()"},
	{engine.Citus, "recursive CTEs, grouping sets and TABLESAMPLE on one shard only", re(`\bwith recursive\b|\bgrouping sets\b|\b(cube|rollup) ?\(|\btablesample\b`), nil, "WITH RECURSIVE c AS (SELECT 1) SELECT * FROM c"},
	{engine.Citus, "MERGE has no reference table as its target", re(`^merge\b`), nil, "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE"},
}

var (
	sqlComment = re(`--[^\n]*|(?s:/\*.*?\*/)`)
	sqlLiteral = re(`'(?:[^']|'')*'`)
	sqlQuoted  = re(`"(\w+)"`)
)

// normal returns a statement in lower case on one line, without comments, the
// content of literals, or quotes around names.
func normal(statement string) string {
	s := sqlLiteral.ReplaceAllString(sqlComment.ReplaceAllString(statement, " "), "''")
	return strings.ToLower(strings.Join(strings.Fields(sqlQuoted.ReplaceAllString(s, "$1")), " "))
}

func (u unsupported) usedBy(statement string) bool {
	text := normal(statement)
	return u.pattern.MatchString(text) && (u.except == nil || !u.except.MatchString(text))
}

// TestEngines migrates PostgreSQL as if it were each distributed engine, up, down
// and up again, makes every kind of request, and checks every statement that ran
// against the features that the engine does not support.
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
			statements := 0
			s.texts.Range(func(key, _ any) bool {
				statements++
				text := key.(string)
				for _, u := range unsupportedFeatures {
					if u.engine == e && u.usedBy(text) {
						t.Errorf("%s: %s: %s", e, u.what, text)
					}
				}
				// CockroachDB has to do without organizations_has_owner.
				if n := normal(text); strings.HasPrefix(n, "delete from organizations ") || strings.HasPrefix(n, "delete from organization_owners ") {
					t.Error(text)
				}
				return true
			})
			if statements < 150 {
				t.Errorf("only %d statements were run", statements)
			}
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

func TestUnsupportedFeaturesAreRecognized(t *testing.T) {
	t.Parallel()
	for _, u := range unsupportedFeatures {
		if !u.usedBy("-- made up\n" + u.example) {
			t.Errorf("%s, %s: not recognized in %s", u.engine, u.what, u.example)
		}
		if u.usedBy("SELECT u.id, 'LISTEN; lock pg_advisory_lock' FROM users u /* nextval() */ WHERE u.id = $1 -- random()") {
			t.Errorf("%s, %s: recognized in a literal or a comment", u.engine, u.what)
		}
	}
}

// TestCitusScript runs configs/citus.sql without the calls of Citus's functions, and
// every kind of request after it. Each table has to be placed exactly once.
func TestCitusScript(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t))
	s.asOwner()
	script, err := os.ReadFile(filepath.Join("..", "..", "configs", "citus.sql"))
	if err != nil {
		t.Fatal(err)
	}
	place := re(`^SELECT create_(?:reference|distributed)_table\('(\w+)'`)
	var placed []string
	for statement := range strings.SplitSeq(sqlComment.ReplaceAllString(string(script), ""), ";") {
		statement = strings.TrimSpace(statement)
		if m := place.FindStringSubmatch(statement); m != nil {
			placed = append(placed, m[1])
		} else if err := s.kernel.DB.Conn(everything).Exec(statement).Error; err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	tables := slices.Sorted(maps.Keys(primaryKeys(t, s.kernel.DB)))
	tables = slices.DeleteFunc(tables, func(name string) bool { return name == "schema_migrations" })
	if slices.Sort(placed); !slices.Equal(placed, tables) {
		t.Errorf("placed %v\nof     %v", placed, tables)
	}
	s.everyRequest()
	if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
		t.Error(broken)
	}
}

// TestNewMigrationsChangeOneThing checks that migrations since 2026-11-25 have one
// statement in each direction, because some engines do not roll schema changes back.
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

// TestKeysBeginWithTheTenant checks that the key of each table begins with the
// organization or the user that a row belongs to. Sessions are an exception: a token
// names one by its id alone.
func TestKeysBeginWithTheTenant(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t))
	keys := primaryKeys(t, s.kernel.DB)
	exceptions := []string{"organizations", "users", "sessions", "session_writes", "audit_chains", "audit_events", "idempotency_keys", "rate_limits", "revocations", "signing_keys", "apis", "api_scopes", "challenges", "mail_outbox", "mail_suppressions", "schema_migrations"}
	for table, first := range keys {
		want := "user_id"
		if strings.HasPrefix(table, "organization_") || table == "invitation_links" || table == "member_terms" {
			want = "organization_id"
		}
		if first != want && !slices.Contains(exceptions, table) {
			t.Errorf("the key of %s begins with %s, want %s", table, first, want)
		}
	}
	if len(keys) < 20 {
		t.Errorf("found %d tables", len(keys))
	}
}

// primaryKeys returns the tables with the first column of each one's primary key.
func primaryKeys(t testing.TB, db *database.DB) map[string]string {
	t.Helper()
	rows, err := db.Conn(context.Background()).Raw(`SELECT t.relname, a.attname FROM pg_index x
		JOIN pg_class t ON t.oid = x.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
		WHERE x.indisprimary AND t.relnamespace = 'public'::regnamespace`).Rows()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	keys := map[string]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		keys[table] = column
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}
