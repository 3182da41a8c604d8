package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// TestMain lets this binary run as a process that is killed while it migrates.
func TestMain(m *testing.M) {
	if url := os.Getenv("DATABASE_TEST_MIGRATE_SLOWLY"); url != "" {
		db, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(url), Create: true, Engine: engine.Engine(os.Getenv("DATABASE_TEST_ENGINE"))})
		if err == nil {
			fmt.Println("migrating")
			_, err = migrate.Up(context.Background(), db, []migrate.Migration{one, slow})
		}
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

func statements(list ...string) func(database.Driver) []string {
	return func(database.Driver) []string { return list }
}

var (
	one = migrate.Migration{
		ID: "202601010000_test_one", Up: statements("CREATE TABLE one (id bigint PRIMARY KEY, at timestamptz)"), Down: statements("DROP TABLE one"),
	}
	slow = migrate.Migration{
		ID: "202601020000_test_slow", Down: statements("DROP TABLE slow"),
		Up: func(d database.Driver) []string {
			wait := "SELECT pg_sleep(60)"
			if d == database.SQLite {
				wait = "CREATE TABLE never AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 4000000000) SELECT COUNT(*) FROM c"
			}
			return []string{"CREATE TABLE slow (id bigint)", wait}
		},
	}
	broken = migrate.Migration{
		ID: "202601020000_test_broken", Up: statements("CREATE TABLE two (id bigint)", "CREATE TABLE one (id bigint)"), Down: statements("DROP TABLE two"),
	}
)

func open(t testing.TB, url string) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(url), Create: true, MaxConnections: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func each(t *testing.T, test func(t *testing.T, db *database.DB, url string)) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, url string) {
		db := open(t, url)
		if _, err := migrate.Up(context.Background(), db, []migrate.Migration{one}); err != nil {
			t.Fatal(err)
		}
		test(t, db, url)
	})
}

func count(t testing.TB, db *database.DB) (n int) {
	t.Helper()
	if err := db.Row(context.Background(), "SELECT COUNT(*) FROM one").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTransactionsAreAtomicAndNest(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		ctx, refused := context.Background(), errors.New("refused")
		insert := func(ctx context.Context, id int) error {
			return db.Conn(ctx).Exec("INSERT INTO one (id) VALUES (?)", id).Error
		}
		ran := 0
		err := db.InTx(ctx, func(ctx context.Context) error {
			db.AfterCommit(ctx, func() { ran++ })
			if err := insert(ctx, 1); err != nil {
				return err
			}
			return db.InTx(ctx, func(ctx context.Context) error {
				if err := insert(ctx, 2); err != nil {
					return err
				}
				if ran != 0 {
					t.Error("ran before the commit")
				}
				return nil
			})
		})
		if err != nil || count(t, db) != 2 || ran != 1 {
			t.Errorf("%v, %d rows, ran %d times", err, count(t, db), ran)
		}
		err = db.InTx(ctx, func(ctx context.Context) error {
			db.AfterCommit(ctx, func() { ran++ })
			_ = insert(ctx, 3)
			return db.InTx(ctx, func(context.Context) error { return refused })
		})
		if !errors.Is(err, refused) || count(t, db) != 2 || ran != 1 {
			t.Errorf("%v, %d rows, ran %d times", err, count(t, db), ran)
		}
		func() {
			defer func() { _ = recover() }()
			_ = db.InTx(ctx, func(ctx context.Context) error {
				_ = insert(ctx, 4)
				panic("in the middle")
			})
		}()
		if count(t, db) != 2 {
			t.Error("a panic committed")
		}
		if err := db.InTx(ctx, func(ctx context.Context) error { return insert(ctx, 1) }); !database.IsDuplicate(err) {
			t.Errorf("a duplicate: %v", err)
		}
		db.AfterCommit(ctx, func() { ran++ })
		if ran != 2 {
			t.Error("did not run at once outside of a transaction")
		}
		if db.Driver() == database.SQLite && insert(ctx, 9) == nil {
			t.Error("wrote outside of a transaction")
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if err := db.InTx(canceled, func(ctx context.Context) error { return insert(ctx, 5) }); err == nil {
			t.Error("a transaction of nobody")
		}
	})
}

// TestDeadlocksAreRetried on PostgreSQL. SQLite's single writer can't deadlock.
func TestDeadlocksAreRetried(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		ctx := context.Background()
		if err := db.InTx(ctx, func(ctx context.Context) error {
			return db.Conn(ctx).Exec("INSERT INTO one (id) VALUES (1), (2)").Error
		}); err != nil {
			t.Fatal(err)
		}
		var wg, met sync.WaitGroup
		met.Add(2)
		var attempts atomic.Int64
		for i := range 2 {
			first, second := 1+i%2, 2-i%2
			meet := sync.OnceFunc(func() { // each has locked what the other waits for
				if met.Done(); db.Driver() == database.Postgres {
					met.Wait()
				}
			})
			wg.Go(func() {
				err := db.InTx(ctx, func(ctx context.Context) error {
					attempts.Add(1)
					for _, id := range []int{first, second} {
						if err := db.Conn(ctx).Exec("UPDATE one SET at = ? WHERE id = ?", time.Now(), id).Error; err != nil {
							return err
						}
						meet()
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if want := int64(2); db.Driver() == database.Postgres && attempts.Load() <= want {
			t.Errorf("nothing collided: %d attempts", attempts.Load())
		}
	})
}

func TestMigrationsAreAtomic(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		ctx := context.Background()
		before, _ := db.DumpSchema(ctx)
		if _, err := migrate.Up(ctx, db, []migrate.Migration{one, broken}); err == nil || !strings.Contains(err.Error(), broken.ID) && !strings.Contains(err.Error(), "CREATE TABLE one") {
			t.Errorf("a broken migration: %v", err)
		}
		after, err := db.DumpSchema(ctx)
		if err != nil || after != before {
			t.Errorf("%v\n%s\n%s", err, before, after)
		}
		s, err := migrate.StatusOf(ctx, db, []migrate.Migration{one, broken})
		if err != nil || len(s.Applied) != 1 || len(s.Pending) != 1 || len(s.Unknown) != 0 {
			t.Errorf("%+v %v", s, err)
		}
		if _, err := migrate.Down(ctx, db, []migrate.Migration{one, broken}, 2); err == nil {
			t.Error("rolled back more than there is")
		}
		if _, err := migrate.Up(ctx, db, []migrate.Migration{broken}); !errors.Is(err, migrate.ErrSchemaNewer) {
			t.Errorf("a newer schema: %v", err)
		}
		if _, err := migrate.Down(ctx, db, []migrate.Migration{one}, 1); err != nil {
			t.Error(err)
		}
		if empty, _ := db.DumpSchema(ctx); strings.TrimSpace(empty) != "" {
			t.Errorf("still there: %s", empty)
		}
	})
}

func TestKilledMigrationIsRolledBack(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, url string) {
		ctx := context.Background()
		before, err := db.DumpSchema(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DATABASE_TEST_MIGRATE_SLOWLY="+url)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond) // by now it runs the second statement
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if db.Driver() == database.Postgres { // which notices only when it next writes to the client
			err := db.Conn(ctx).Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND datname = current_database()").Error
			if err != nil {
				t.Fatal(err)
			}
		}
		two := migrate.Migration{ID: slow.ID, Up: statements("CREATE TABLE slow (id bigint)"), Down: slow.Down}
		applied, err := migrate.Up(ctx, db, []migrate.Migration{one, two})
		if err != nil || len(applied) != 1 {
			t.Fatalf("the next one: %v %v", applied, err)
		}
		if _, err := migrate.Down(ctx, db, []migrate.Migration{one, two}, 1); err != nil {
			t.Fatal(err)
		}
		if after, err := db.DumpSchema(ctx); err != nil || after != before {
			t.Errorf("%v\n%s\n%s", err, before, after)
		}
	})
}

// TestServerEndsConnections fails one request, and not one per connection. Connections
// that were idle for a second cause no failure, because the driver checks them first.
func TestServerEndsConnections(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	look := func(ctx context.Context, db *database.DB) error {
		var n int
		return db.Row(ctx, "SELECT 1").Scan(&n)
	}
	for name, ask := range map[string]func(db *database.DB) error{
		"a read": func(db *database.DB) error { return look(ctx, db) },
		"a transaction": func(db *database.DB) error {
			return db.InTx(ctx, func(ctx context.Context) error { return look(ctx, db) })
		},
		"a probe": func(db *database.DB) error { return db.Writable(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := platformtest.PostgresURL(t)
			db, other := open(t, url), open(t, url)
			if err := look(ctx, other); err != nil {
				t.Fatal(err)
			}
			const several = 4
			for range 2 { // the driver checks a connection that was used once
				var open, done sync.WaitGroup
				open.Add(several)
				for range several {
					done.Go(func() {
						err := db.InTx(ctx, func(ctx context.Context) error {
							defer open.Wait()
							defer open.Done()
							return look(ctx, db)
						})
						if err != nil {
							t.Error(err)
						}
					})
				}
				done.Wait()
			}
			const others = " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
			var ended int
			if err := other.Row(ctx, "SELECT COUNT(pg_terminate_backend(pid))"+others).Scan(&ended); err != nil || ended < several {
				t.Fatalf("%d were ended: %v", ended, err)
			}
			for left := ended; left > 0; {
				if err := other.Row(ctx, "SELECT COUNT(*)"+others).Scan(&left); err != nil {
					t.Fatal(err)
				}
			}
			failed := 0
			for range several {
				if err := ask(db); err != nil {
					failed++
				}
			}
			if failed > 1 {
				t.Errorf("%d of %d failed", failed, several)
			}
		})
	}
}

// TestMigrationDoesNotBlockReaders: while it waits for a table that another transaction
// has locked, others can still read that table.
func TestMigrationDoesNotBlockReaders(t *testing.T) {
	t.Parallel()
	url := platformtest.PostgresURL(t)
	db, other := open(t, url), open(t, url)
	ctx := context.Background()
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one}); err != nil {
		t.Fatal(err)
	}
	wider := migrate.Migration{
		ID: "202601020000_test_wider", Up: statements("ALTER TABLE one ADD COLUMN more text"), Down: statements("ALTER TABLE one DROP COLUMN more"),
	}
	migrated := make(chan error, 1)
	err := other.InTx(ctx, func(held context.Context) error {
		if err := other.Conn(held).Exec("SELECT 1 FROM one").Error; err != nil {
			return err
		}
		go func() {
			_, err := migrate.Up(ctx, db, []migrate.Migration{one, wider})
			migrated <- err
		}()
		for waits := int64(0); waits == 0; { // until it waits for the table
			n, err := other.Count(ctx, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'one'::regclass")
			if err != nil {
				return err
			}
			waits = *n
		}
		reading, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := other.Count(reading, "SELECT COUNT(*) FROM one"); err != nil {
			t.Errorf("a reader waits for the migrator: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Errorf("with the table free: %v", err)
	}
}

// TestCloseDoesNotWaitForReaders: a reader that does not end, as Litestream's, delays
// neither the shutdown of the service nor a command, each of which closes the database.
// Without such a reader, the file is complete without its log.
func TestCloseDoesNotWaitForReaders(t *testing.T) {
	t.Parallel()
	at := platformtest.SQLiteURL(t)
	path := strings.TrimPrefix(at, "sqlite://")
	write := func() *database.DB {
		db := open(t, at)
		if _, err := migrate.Up(context.Background(), db, []migrate.Migration{one}); err != nil {
			t.Fatal(err)
		}
		return db
	}
	logLength := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			return 0
		}
		return info.Size()
	}
	db := write()
	reader, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reading, err := reader.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRow("SELECT COUNT(*) FROM one").Scan(&n); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second { // SQLite would wait for five seconds
		t.Errorf("closed after %s", took)
	}
	if logLength() == 0 {
		t.Error("the reader did not hold the log")
	}
	if err := errors.Join(reading.Rollback(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	if err := write().Close(); err != nil || logLength() != 0 {
		t.Errorf("%v, and %d bytes of log are left", err, logLength())
	}
}

func TestMigrationsAreMergedByTheirIds(t *testing.T) {
	t.Parallel()
	up := statements("SELECT 1")
	m := func(id string) migrate.Migration { return migrate.Migration{ID: id, Up: up, Down: up} }
	merged, err := migrate.Merge(
		migrate.Source{Module: "b", Migrations: []migrate.Migration{m("202601020000_b_x")}},
		migrate.Source{Module: "a", Migrations: []migrate.Migration{m("202601030000_a_x"), m("202601010000_a_x")}},
	)
	if err != nil || merged[0].ID != "202601010000_a_x" || merged[1].ID != "202601020000_b_x" {
		t.Errorf("%v %v", merged, err)
	}
	for _, bad := range [][]migrate.Migration{
		{m("202601010000_b_x")}, {m("2026_a_x")}, {m("202601010000_a_x"), m("202601010000_a_x")}, {{ID: "202601010000_a_x", Up: up}}, {m("")},
	} {
		if _, err := migrate.Merge(migrate.Source{Module: "a", Migrations: bad}); err == nil {
			t.Errorf("%v were merged", bad)
		}
	}
}

func TestFaultRecognisesDatabaseErrors(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		ctx := context.Background()
		err := db.Row(ctx, "SELECT nothing FROM nowhere").Scan(new(int))
		if err == nil || database.Fault(err) != nil || database.IsNotFound(err) {
			t.Errorf("a wrong statement: %v", err)
		}
		if err := db.Row(ctx, "SELECT id FROM one WHERE id = 99").Scan(new(int)); !database.IsNotFound(err) {
			t.Errorf("no row: %v", err)
		}
		if database.Fault(nil) != nil || database.Fault(context.Canceled) != nil || database.Fault(errors.New("x")) != nil {
			t.Error("no fault of the database is one")
		}
	})
}
