package database_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/engine"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// as opens PostgreSQL and treats it as another engine. PostgreSQL also supports that
// engine's way of migrating.
func as(t testing.TB, e engine.Engine, url string) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(url), Create: true, MaxConnections: 2, Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func tables(t testing.TB, db *database.DB) string {
	t.Helper()
	var names string
	err := db.Row(context.Background(), "SELECT COALESCE(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_%'").Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var three = migrate.Migration{
	ID:   "202601030000_test_three",
	Up:   statements("CREATE TABLE three (id bigint PRIMARY KEY, n bigint)", "CREATE INDEX three_by_n ON three (n)", "ALTER TABLE three ADD COLUMN m bigint"),
	Down: statements("ALTER TABLE three DROP COLUMN m", "DROP INDEX three_by_n", "DROP TABLE three"),
}

func TestMigrationInSteps(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), as(t, engine.CockroachDB, platformtest.PostgresURL(t))
	all := []migrate.Migration{one, three}
	applied, err := migrate.Up(ctx, db, all)
	if err != nil || len(applied) != 2 || tables(t, db) != "one three" {
		t.Fatalf("%v %v %s", applied, err, tables(t, db))
	}
	if again, err := migrate.Up(ctx, db, all); err != nil || len(again) != 0 {
		t.Errorf("once more: %v %v", again, err)
	}
	if undone, err := migrate.Down(ctx, db, all, 2); err != nil || len(undone) != 2 || tables(t, db) != "" {
		t.Errorf("%v %v %s", undone, err, tables(t, db))
	}
}

// TestCompletedStepsAreSkipped, when applying and when rolling back, but only if a
// migration was interrupted.
func TestCompletedStepsAreSkipped(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), as(t, engine.YugabyteDB, platformtest.PostgresURL(t))
	interrupted := three
	interrupted.Up = statements(append(three.Up(database.Postgres), "SELECT 1 / 0")...)
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one, interrupted}); err == nil || tables(t, db) != "one three" {
		t.Fatalf("%v %s", err, tables(t, db))
	}
	all := []migrate.Migration{one, three}
	if applied, err := migrate.Up(ctx, db, all); err != nil || len(applied) != 1 {
		t.Fatalf("taken up again: %v %v", applied, err)
	}
	interrupted = three
	interrupted.Down = statements("ALTER TABLE three DROP COLUMN m", "DROP INDEX three_by_n", "SELECT 1 / 0")
	if _, err := migrate.Down(ctx, db, []migrate.Migration{one, interrupted}, 1); err == nil {
		t.Fatal("nothing interrupted it")
	}
	if undone, err := migrate.Down(ctx, db, all, 1); err != nil || len(undone) != 1 || tables(t, db) != "one" {
		t.Fatalf("taken up again: %v %v %s", undone, err, tables(t, db))
	}
	clash := migrate.Migration{ID: "202601040000_test_clash", Up: statements("CREATE TABLE one (id bigint)"), Down: statements("DROP TABLE one")}
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one, three, clash}); err == nil || !strings.Contains(err.Error(), "CREATE TABLE one") {
		t.Errorf("what nobody interrupted: %v", err)
	}
	wrong := migrate.Migration{ID: "202601050000_test_wrong", Up: statements("CREATE INDEX i ON nowhere (id)"), Down: statements("DROP INDEX i")}
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one, three, wrong}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("an index on nothing: %v", err)
	}
}

// TestMigrationsExcludeEachOther, regardless of the engine and the isolation level.
func TestMigrationsExcludeEachOther(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]engine.Engine{"in steps": engine.CockroachDB, "at SERIALIZABLE": engine.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := platformtest.PostgresURL(t) + "&default_transaction_isolation=serializable"
			var wg sync.WaitGroup
			var applied atomic.Int64
			begin := together(t, as(t, engine.PostgreSQL, url), e)
			for range 8 {
				db := as(t, e, url)
				wg.Go(func() {
					ids, err := migrate.Up(context.Background(), db, []migrate.Migration{one, three})
					if err != nil {
						t.Error(err)
					}
					applied.Add(int64(len(ids)))
				})
			}
			begin()
			wg.Wait()
			if applied.Load() != 2 {
				t.Errorf("%d were applied, want two by one of them", applied.Load())
			}
		})
	}
}

// together holds PostgreSQL's advisory lock for migrations until eight processes wait
// for it.
func together(t *testing.T, db *database.DB, e engine.Engine) (begin func()) {
	t.Helper()
	if e.MigratesInSteps() {
		return func() {}
	}
	held, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := db.InTx(context.Background(), func(ctx context.Context) error {
			if err := db.Conn(ctx).Exec("SELECT pg_advisory_xact_lock(?)", int64(0x6775696c6468616c)).Error; err != nil {
				return err
			}
			close(held)
			for waiting := 0; waiting < 8; {
				err := db.Row(context.Background(), `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	<-held
	return func() { <-done }
}

func TestKilledMigrationInSteps(t *testing.T) {
	t.Parallel()
	url := platformtest.PostgresURL(t)
	db := as(t, engine.CockroachDB, url)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DATABASE_TEST_MIGRATE_SLOWLY="+url, "DATABASE_TEST_ENGINE="+string(engine.CockroachDB))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until it sleeps in the next statement
		if tables(t, db) == "one slow" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	two := migrate.Migration{ID: slow.ID, Up: statements("CREATE TABLE slow (id bigint)", "CREATE TABLE slower (id bigint)"), Down: slow.Down}
	applied, err := migrate.Up(context.Background(), db, []migrate.Migration{one, two})
	if err != nil || len(applied) != 1 || tables(t, db) != "one slow slower" {
		t.Errorf("the next one: %v %v %s", applied, err, tables(t, db))
	}
}
