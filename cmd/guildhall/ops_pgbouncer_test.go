package main

import (
	"os"
	"strings"
	"sync"
	"testing"

	"guildhall/platform/config"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// throughPgBouncer connects the service through the real PgBouncer, in transaction mode
// with three connections. GUILDHALL_TEST_PGBOUNCER does that for every test on
// PostgreSQL.
func throughPgBouncer(t testing.TB, cfg *config.Config) {
	t.Helper()
	cfg.DatabaseURL = databaseurl.Must(platformtest.PgBouncer(t, cfg.DatabaseURL.Reveal()))
	cfg.DatabasePoolMode = "transaction"
}

func pgBouncerEverywhere() bool { return os.Getenv("GUILDHALL_TEST_PGBOUNCER") != "" }

// TestBehindPgBouncer runs migrations, every endpoint and concurrent conflicts on
// connections that change with each transaction, also with row-level security, whose
// settings must not outlive a transaction.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]func(testing.TB, *config.Config){
		"plain":              {throughPgBouncer},
		"row-level security": {throughPgBouncer, underRowSecurity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, platformtest.PostgresURL(t), func(c *config.Config) {
				for _, change := range changes {
					change(t, c)
				}
			})
			ada, grace := s.person("Ada"), s.person("Grace")
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() {
					for range size(5, 100) {
						if a := ada.get("/auth/me"); a.status != 200 || a.str("email") != ada.email {
							t.Errorf("Ada: %d %s", a.status, a.body)
						}
						if a := grace.patch("/users/"+grace.id+"/profile", body("bio", "b")); a.status != 200 || a.str("id") != grace.id {
							t.Errorf("Grace: %d %s", a.status, a.body)
						}
					}
				})
			}
			clients.Wait()
			s.addCrowd(ada, 3, 3)
			s.measure(ada, grace)
			// Conflicts that the database detects.
			s.do("POST", "/api/v1/auth/register", "", body("email", strings.ToUpper(ada.email), "password", password, "name", "A")).is(409, "email_taken")
			grace.joins(ada, false)
			ada.post(ada.org("/members"), body("user_id", grace.id)).is(409, "already_member")
			grace.get(ada.org("/audit-events")).is(403)
			oneWins(t, 8, 200, 409, func(int) answer { return ada.post("/users/"+grace.id+"/suspend", because()) })
			if mode := s.kernel.Config.DatabasePoolMode; mode != "transaction" {
				t.Errorf("in mode %q", mode)
			}
		})
	}
}

// TestPgBouncerThatWasNotAnnounced checks that the service refuses to start behind a
// pooler without the setting, instead of failing some requests.
func TestPgBouncerThatWasNotAnnounced(t *testing.T) {
	t.Parallel()
	pooled := platformtest.PgBouncer(t, platformtest.PostgresURL(t))
	dir, environ := t.TempDir(), inProduction(pooled, "MIGRATE_ON_START=true")
	for _, args := range [][]string{{"serve"}, {"check"}} {
		if out, status := run(t, dir, environ, args...); status != 1 || !strings.Contains(out, "set DATABASE_POOL_MODE=transaction") {
			t.Errorf("%v: %d\n%s", args, status, out)
		}
	}
	p := serveProcess(t, dir, append(environ, "DATABASE_POOL_MODE=transaction", "ENABLE_REGISTRATION=true")...)
	p.do("GET", "/readyz", "", nil).is(200)
	p.client("c@example.com")
	p.stop()
}

// TestBackupAndRestoreBehindPgBouncer backs up and restores through the pooler.
func TestBackupAndRestoreBehindPgBouncer(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t), func(c *config.Config) { throughPgBouncer(t, c) })
	ada := s.person("Ada")
	dir := t.TempDir()
	pooled := func(url string) []string { return inProduction(url, "DATABASE_POOL_MODE=transaction") }
	if out, status := run(t, dir, pooled(s.kernel.Config.DatabaseURL.Reveal()), "backup", "everything.db"); status != 0 {
		t.Fatalf("backup: %d\n%s", status, out)
	}
	empty := platformtest.PostgresURL(t)
	if out, status := run(t, dir, pooled(platformtest.PgBouncer(t, empty)), "restore", "everything.db"); status != 0 {
		t.Fatalf("restore: %d\n%s", status, out)
	}
	start(t, empty).logIn(ada.email, password).is(200)
}
