package database_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// TestConflictsAtCommitAreRetried runs at SERIALIZABLE. Each transaction reads what the
// other writes, and neither waits for a lock.
func TestConflictsAtCommitAreRetried(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), open(t, platformtest.PostgresURL(t)+"&default_transaction_isolation=serializable")
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one}); err != nil {
		t.Fatal(err)
	}
	var wg, met sync.WaitGroup
	met.Add(2)
	var attempts atomic.Int64
	for i := range 2 {
		meet := sync.OnceFunc(func() { met.Done(); met.Wait() })
		wg.Go(func() {
			err := db.InTx(ctx, func(ctx context.Context) error {
				attempts.Add(1)
				var n int
				if err := db.Row(ctx, "SELECT COUNT(*) FROM one").Scan(&n); err != nil {
					return err
				}
				if err := db.Conn(ctx).Exec("INSERT INTO one (id) VALUES (?)", 10*n+i).Error; err != nil {
					return err
				}
				meet()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if attempts.Load() != 3 || count(t, db) != 2 {
		t.Errorf("%d attempts, %d rows", attempts.Load(), count(t, db))
	}
}

func isUnavailable(err error) bool {
	f := database.Fault(err)
	return f != nil && database.ErrUnavailable.Is(f)
}

// TestUnknownCommitIsNotRetried: the server returns 40003 if it does not know whether
// the transaction was committed.
func TestUnknownCommitIsNotRetried(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), open(t, platformtest.PostgresURL(t))
	if _, err := migrate.Up(ctx, db, []migrate.Migration{one}); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]int{"40001": 10, "40003": 1} {
		for _, s := range []string{
			fmt.Sprintf("CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'at the commit' USING ERRCODE = '%s'; END $$", code),
			"DROP TRIGGER IF EXISTS fails ON one",
			"CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON one DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()",
		} {
			if err := db.Conn(ctx).Exec(s).Error; err != nil {
				t.Fatal(err)
			}
		}
		attempts := 0
		err := db.InTx(ctx, func(ctx context.Context) error {
			attempts++
			return db.Conn(ctx).Exec("INSERT INTO one (id) VALUES (1)").Error
		})
		if attempts != want || !isUnavailable(err) {
			t.Errorf("%s: %d attempts, want %d; %v", code, attempts, want, err)
		}
	}
}

// TestReadsOutsideOfTransactionsAreRetried a bounded number of times, as distributed
// engines require.
func TestReadsOutsideOfTransactionsAreRetried(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), open(t, platformtest.PostgresURL(t))
	for _, s := range []string{
		"CREATE SEQUENCE tries",
		`CREATE FUNCTION collides(times bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') <= times THEN RAISE EXCEPTION 'restart read required' USING ERRCODE = '40001'; END IF;
			RETURN currval('tries'); END $$`,
	} {
		if err := db.Conn(ctx).Exec(s).Error; err != nil {
			t.Fatal(err)
		}
	}
	var tries int
	if err := db.Row(ctx, "SELECT collides(3)").Scan(&tries); err != nil || tries != 4 {
		t.Errorf("%d tries: %v", tries, err)
	}
	if err := db.Row(ctx, "SELECT collides(1000)").Scan(&tries); !isUnavailable(err) {
		t.Errorf("for ever: %v", err)
	}
	if err := db.Row(ctx, "SELECT nextval('tries')").Scan(&tries); err != nil || tries != 15 {
		t.Errorf("%d tries after ten more: %v", tries, err)
	}
}
