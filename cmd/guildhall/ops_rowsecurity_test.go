package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// underRowSecurity migrates the database as its owner, and runs the service as a role
// that row-level security binds. GUILDHALL_TEST_ROW_SECURITY does that for every test on
// PostgreSQL.
func underRowSecurity(t testing.TB, cfg *config.Config) {
	t.Helper()
	cfg.DatabaseRowSecurity = true
	if strings.Contains(cfg.DatabaseURL.Reveal(), "//service_") { // a second service on the same database
		cfg.MigrateOnStart = false
		return
	}
	owner := *cfg
	g, err := open(context.Background(), &owner, slog.New(slog.DiscardHandler), platform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.DB.Close()
	if _, err := migrate.Up(context.Background(), g.DB, g.app.Migrations()); err != nil {
		t.Fatal(err)
	}
	unrecorded := func(context.Context, []string) error { return nil } // the tests count events
	if _, err := g.DB.SetRowSecurity(context.Background(), g.app.Tables(), true, unrecorded); err != nil {
		t.Fatal(err)
	}
	refused := "UPDATE, DELETE"
	if cfg.AuditRetention > 0 {
		refused = "UPDATE"
	}
	role := "service_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN NOSUPERUSER NOBYPASSRLS",
		"GRANT USAGE ON SCHEMA public TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role,
		"REVOKE " + refused + " ON audit_events FROM " + role,
		"GRANT UPDATE (address, client, details) ON audit_events TO " + role,
	} {
		if err := g.DB.InTx(everything, func(ctx context.Context) error { return g.DB.Conn(ctx).Exec(statement).Error }); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(cfg.DatabaseURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	cfg.DatabaseURL, cfg.MigrateOnStart = databaseurl.Must(u.String()), false
}

func rowSecurityEverywhere() bool { return os.Getenv("GUILDHALL_TEST_ROW_SECURITY") != "" }

// asOwner skips a test that changes the schema if the service's role may not.
func (s *service) asOwner() {
	if s.kernel.Config.DatabaseRowSecurity {
		s.t.Skip("the role that row-level security binds does not own the tables")
	}
}

// TestRowSecurity checks that a query without a tenant, or with another tenant, returns
// nothing, and that nothing can be written for another tenant.
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	if rowSecurityEverywhere() {
		t.Skip("it compares with a database without")
	}
	databaseURL := platformtest.PostgresURL(t)
	s := start(t, databaseURL, func(c *config.Config) { underRowSecurity(t, c) })
	ada, eve := s.person("Ada"), s.person("Eve")
	grace := s.person("Grace").joins(ada, true)
	ada.post("/users/"+grace.id+"/suspend", because()).is(200)
	ada.post(ada.org("/invitations"), body("email", "new@example.com", "deliver", false)).is(201)
	ada.post(ada.org("/invitation-links"), body()).is(201)
	ada.machine("Machine")
	ada.post(ada.org("/archive"), because()).is(200)
	ada.post(ada.org("/unarchive"), body()).is(200)
	ada.post(ada.org("/suspend"), because()).is(200)
	eve.post(eve.org("/archive"), because()).is(200)
	id := func(text string) uuid.NullUUID { return uuid.NullUUID{UUID: uuid.MustParse(text), Valid: true} }
	tenants := map[string]context.Context{
		"forgotten":                context.Background(),
		"nobody's organization":    database.For(context.Background(), database.Tenant{OrganizationID: id(uuid.NewString())}),
		"a stranger":               database.For(context.Background(), database.Tenant{OrganizationID: id(eve.organization), UserID: id(eve.id).UUID}),
		"the organization":         database.For(context.Background(), database.Tenant{OrganizationID: id(ada.organization)}),
		"a member, somewhere else": database.For(context.Background(), database.Tenant{UserID: id(grace.id).UUID}),
	}
	guarded := map[string]string{}
	for _, table := range s.app.Tables() {
		if table.Tenants.HasPolicy() {
			guarded[table.Name] = table.Owner.Organization()
		}
	}
	if len(guarded) < 10 {
		t.Errorf("only %v are checked", guarded)
	}
	for table, column := range guarded {
		count := func(who string) int {
			var n int
			query := fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s = ?", table, column)
			if err := s.kernel.DB.Row(tenants[who], query, ada.organization).Scan(&n); err != nil {
				t.Fatalf("%s, %s: %v", table, who, err)
			}
			return n
		}
		for _, who := range []string{"forgotten", "nobody's organization", "a stranger"} {
			if n := count(who); n != 0 {
				t.Errorf("%s: %s sees %d rows", table, who, n)
			}
		}
		if n := count("the organization"); n == 0 {
			t.Errorf("%s: the organization does not see its own", table)
		}
		// A statement without a condition changes no other tenant's rows.
		if table != "audit_events" {
			err := s.kernel.DB.InTx(tenants["a stranger"], func(ctx context.Context) error {
				r := s.kernel.DB.Conn(ctx).Exec(fmt.Sprintf("DELETE FROM %s WHERE %s = ?", table, column), ada.organization)
				if r.RowsAffected > 0 {
					t.Errorf("%s: a stranger deleted %d rows", table, r.RowsAffected)
				}
				return r.Error
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	err := s.kernel.DB.InTx(tenants["a stranger"], func(ctx context.Context) error {
		return s.kernel.DB.Conn(ctx).Exec("INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES (?, ?, now())", ada.organization, eve.id).Error
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a stranger added themselves as a member: %v", err)
	}
	err = s.kernel.DB.InTx(tenants["the organization"], func(ctx context.Context) error {
		return s.kernel.DB.Conn(ctx).Exec("UPDATE audit_events SET client = 'x'").Error
	})
	if err == nil {
		t.Error("the service may change the audit log")
	}
	// Each statement has its own tenant, also within a transaction.
	err = s.kernel.DB.InTx(tenants["the organization"], func(ctx context.Context) error {
		for who, want := range map[string]bool{"the organization": true, "forgotten": false, "a stranger": false} {
			var n int
			within := database.For(ctx, database.Tenant{})
			switch who {
			case "the organization":
				within = ctx
			case "a stranger":
				within = database.For(ctx, database.Tenant{OrganizationID: id(eve.organization)})
			}
			if err := s.kernel.DB.Row(within, "SELECT COUNT(*) FROM organization_members WHERE organization_id = ?", ada.organization).Scan(&n); err != nil {
				return err
			}
			if (n > 0) != want {
				t.Errorf("%s sees %d members", who, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}

	// Neither a superuser, nor a database without it, nor one with it that was not asked for.
	refused := func(want string, change func(c *config.Config)) {
		t.Helper()
		cfg := *s.kernel.Config
		change(&cfg)
		g, err := open(context.Background(), &cfg, slog.New(slog.DiscardHandler), platform.Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer g.DB.Close()
		if err := g.app.Prepare(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if findings := fmt.Sprint(checkStorage(context.Background(), &cfg)); !strings.Contains(findings, want) {
			t.Errorf("check says %s", findings)
		}
	}
	refused("superuser", func(c *config.Config) { c.DatabaseURL = databaseurl.Must(databaseURL) })
	refused("row-level security is on", func(c *config.Config) { c.DatabaseRowSecurity = false })
	fresh := start(t, platformtest.PostgresURL(t), func(c *config.Config) { c.DatabaseRowSecurity = false })
	refused("row-level security is off", func(c *config.Config) {
		c.DatabaseURL, c.DatabaseRowSecurity = fresh.kernel.Config.DatabaseURL, true
	})
	refused("for PostgreSQL", func(c *config.Config) {
		c.DatabaseURL, c.MigrateOnStart = databaseurl.Must(platformtest.SQLiteURL(t)), true
	})
}

// TestATableWithoutAPolicyIsNoticed checks that each of our tables has a policy or a
// reason for none, and that start, check and doctor report one that has neither.
func TestATableWithoutAPolicyIsNoticed(t *testing.T) {
	t.Parallel()
	if rowSecurityEverywhere() {
		t.Skip("it makes tables")
	}
	databaseURL := platformtest.PostgresURL(t)
	s := start(t, databaseURL, func(c *config.Config) { underRowSecurity(t, c) })
	unguarded := func() []string {
		t.Helper()
		tables, err := s.kernel.DB.Unguarded(s.ctx, s.app.Tables())
		if err != nil {
			t.Fatal(err)
		}
		return tables
	}
	if got := unguarded(); len(got) > 0 {
		t.Errorf("without a policy or a reason: %v", got)
	}
	for _, declared := range s.app.Tables() {
		policies := s.count("SELECT COUNT(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relname = '" + declared.Name + "'")
		if declared.Tenants.HasPolicy() != (policies > 0) || !declared.Tenants.HasPolicy() && len(declared.Tenants.Reason()) < 20 {
			t.Errorf("%s has %d policies, and says %+v", declared.Name, policies, declared.Tenants)
		}
	}
	owner, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec("CREATE TABLE notes (id uuid, organization_id uuid); CREATE TABLE badges (user_id uuid); CREATE TABLE colours (name text)"); err != nil {
		t.Fatal(err)
	}
	if got := unguarded(); !slices.Equal(got, []string{"badges", "notes"}) {
		t.Errorf("found %v", got)
	}
	const want = "no policy: badges, notes"
	if err := s.app.Prepare(s.ctx); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the start: %v", err)
	}
	if findings := fmt.Sprint(checkStorage(s.ctx, s.kernel.Config)); !strings.Contains(findings, want) {
		t.Errorf("check: %s", findings)
	}
	if found := examined(s); !strings.Contains(found, want) {
		t.Errorf("doctor: %s", found)
	}
}

// TestTrustRowSecurityCost compares requests with row-level security and without, in
// turns.
func TestTrustRowSecurityCost(t *testing.T) {
	t.Parallel()
	if rowSecurityEverywhere() {
		t.Skip("it compares with a database without")
	}
	seed := trustSeed(t)
	without := start(t, platformtest.PostgresURL(t)).person("Ada")
	with := start(t, platformtest.PostgresURL(t), func(c *config.Config) { underRowSecurity(t, c) }).person("Ada")
	for _, a := range []*actor{without, with} {
		a.s.addCrowd(a, 100, 10)
	}
	n := size(100, 3000)
	for what, ask := range map[string]func(a *actor){
		"who am I":    func(a *actor) { a.get("/auth/me").is(200) },
		"100 members": func(a *actor) { a.get(a.org("/members")).is(200) },
		"a rename":    func(a *actor) { a.patch(a.org(""), body("name", "x")).is(200) },
	} {
		c := compare(n, seed, func() { ask(without) }, func() { ask(with) })
		recordResult(t, "cost of row-level security: "+what, "postgres", n, 0, seed, "%s", c)
	}
}

// TestRowSecurityIsNotLostByForgettingASetting checks that only `row-security off` turns
// it off, and that a role without permission gets an error.
func TestRowSecurityIsNotLostByForgettingASetting(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.PostgresURL(t)
	var service string
	s := start(t, databaseURL, func(c *config.Config) {
		underRowSecurity(t, c)
		service = c.DatabaseURL.Reveal()
	})
	ada := s.person("Ada")
	owner := ownedBy(t, databaseURL)
	dir, environ := t.TempDir(), inProduction(owner, "MIGRATE_ON_START=true")
	const on = "SELECT COUNT(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
	walls := s.count(on)
	for _, args := range [][]string{{"serve"}, {"sweep"}, {"admin", "list"}, {"export", ada.organization, "--output", "-"}} {
		if out, status := run(t, dir, environ, args...); status != 1 || !strings.Contains(out, "row-level security is on in the database") {
			t.Errorf("%v: %d\n%s", args, status, out)
		}
	}
	out, status := run(t, dir, environ, "migrate", "up")
	if status != 0 || !strings.Contains(out, "the service would not start with these settings: row-level security is on") {
		t.Errorf("migrate up: %d\n%s", status, out)
	}
	if out, status := run(t, dir, inProduction(service), "row-security", "off"); status != 1 || !strings.Contains(out, "only their owner") {
		t.Errorf("by the service's role: %d\n%s", status, out)
	}
	if n := s.count(on); n != walls || n == 0 {
		t.Errorf("%d tables had row-level security, %d have", walls, n)
	}
	c := atServer{t, dir, environ}
	if out := c.ok("row-security", "off"); !strings.Contains(out, "row-level security is now off") || !strings.Contains(out, "organization_members") || s.count(on) != 0 {
		t.Errorf("%d are left:\n%s", s.count(on), out)
	}
	c.ok("migrate", "up")
	if out := c.ok("row-security", "off"); out != "row-level security is already off\n" {
		t.Error(out)
	}
	c.ok("audit", "verify")
	if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'database.row_security_off' AND actor_role = 'command_line' AND details = '{\"tables\":\"" + fmt.Sprint(walls) + "\"}'"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestRowSecurityIsTurnedOnUnderARunningService turns it on under a service without the
// setting: the service must not answer as if there were no data.
func TestRowSecurityIsTurnedOnUnderARunningService(t *testing.T) {
	t.Parallel()
	if rowSecurityEverywhere() {
		t.Skip("it turns it on")
	}
	for name, change := range map[string]func(testing.TB, *config.Config){"directly": func(testing.TB, *config.Config) {}, "through PgBouncer": throughPgBouncer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := platformtest.PostgresURL(t)
			start(t, databaseURL)
			owner := ownedBy(t, databaseURL)
			s := start(t, owner, func(c *config.Config) {
				change(t, c)
				c.MigrateOnStart = false
			})
			ada := s.person("Ada")
			bob := s.person("Bob").joins(ada, false)
			ada.get(ada.org("/members")).is(200)
			s.do("GET", "/readyz", "", nil).is(200)
			c := atServer{t, t.TempDir(), inProduction(owner)}
			requests := func() []answer {
				return []answer{
					ada.get("/auth/me"), ada.get("/auth/me/organizations"), ada.get("/organizations"), ada.get(ada.org("")), ada.get(ada.org("/members")),
					ada.get("/users"), ada.get("/users/" + bob.id), ada.patch(ada.org(""), body("name", "x")),
					ada.post("/organizations", body("name", "Another")), s.logIn(ada.email, password),
					s.do("POST", "/api/v1/auth/register", "", body("email", "c@example.com", "password", password, "name", "C")),
				}
			}
			out := c.ok("row-security", "on")
			if !strings.Contains(out, "Restart every process with DATABASE_ROW_SECURITY=true") || !strings.Contains(out, "organization_owners") {
				t.Error(out)
			}
			for _, a := range requests() {
				if a.status != 503 || a.code() != "storage_unavailable" || a.header.Get("Retry-After") == "" {
					t.Errorf("%s: %d %s", a.request, a.status, a.body)
				}
			}
			s.do("GET", "/readyz", "", nil).is(503, "not_ready")
			if log := s.log.String(); strings.Count(log, "row-level security is on in the database: set DATABASE_ROW_SECURITY=true") < 2 {
				t.Errorf("the log says\n%s", log)
			}
			var status struct {
				State   string
				On, Off []string
				Setting bool
			}
			c.json(&status, "row-security", "status")
			if status.State != "on" || len(status.On) < 8 || len(status.Off) > 0 || status.Setting {
				t.Errorf("%+v", status)
			}
			// A process with the setting continues, and notices when row-level security is turned off.
			with := start(t, databaseURL, func(c *config.Config) { underRowSecurity(t, c) })
			again := with.actorOf(with.logIn(ada.email, password).is(200))
			if n := len(again.get(again.org("/members")).is(200).list()); n != 2 {
				t.Errorf("%d members", n)
			}
			c.ok("row-security", "off")
			with.do("GET", "/readyz", "", nil).is(503, "not_ready")
			if log := with.log.String(); !strings.Contains(log, "row-level security is off in the database: as the tables' owner run") {
				t.Errorf("the log says\n%s", log)
			}
			s.do("GET", "/readyz", "", nil).is(200)
			ada.get(ada.org("/members")).is(200)
			if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action LIKE 'database.row_security_%'"); n != 2 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestRowSecurityOnSQLite checks that SQLite refuses row-level security with an error
// that names it.
func TestRowSecurityOnSQLite(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	for _, how := range []string{"on", "off", "status"} {
		s.atServer().fails(1, "row-level security needs PostgreSQL", "row-security", how)
	}
}
