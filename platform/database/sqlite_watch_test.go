package database_test

import (
	"context"
	"strings"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// A request that was cut off at the end of a drain may still commit, or query the gate,
// while the database is being closed.
func TestClosedWatchIsNotSure(t *testing.T) {
	t.Parallel()
	db := open(t, platformtest.SQLiteURL(t))
	if _, err := migrate.Up(context.Background(), db, []migrate.Migration{one}); err != nil {
		t.Fatal(err)
	}
	watch := db.Watch(func(database.Write) bool { return false })
	if _, sure := watch.Epoch(); !sure {
		t.Fatal("nothing is under way, and it is not sure")
	}
	running, closed := make(chan struct{}), make(chan error, 1)
	err := db.InTx(context.Background(), func(ctx context.Context) error {
		go func() { close(running); closed <- db.Close() }()
		<-running
		for sure := true; sure; { // until the watch is closed
			_, sure = watch.Epoch()
		}
		_, err := db.Exec(ctx, "INSERT INTO one (id) VALUES (1)")
		return err
	})
	if err != nil {
		t.Errorf("what had begun was not committed: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if _, sure := watch.Epoch(); sure {
		t.Error("it is closed, and sure")
	}
}

// watched opens a SQLite database whose tables write to each other. A change of a
// grant, of an owner or of a member's state begins an epoch.
func watched(t *testing.T) (url string, changes func(statement string, args ...any) bool) {
	t.Helper()
	url = platformtest.SQLiteURL(t)
	db := open(t, url)
	tables := migrate.Migration{
		ID: "202601030000_test_tables",
		Up: statements("CREATE TABLE members (id bigint PRIMARY KEY, state text, seen bigint)",
			"CREATE TABLE grants (member bigint PRIMARY KEY REFERENCES members ON DELETE CASCADE, since bigint)",
			"CREATE TABLE visits (id bigint PRIMARY KEY, member bigint)",
			"CREATE TABLE owners (id bigint PRIMARY KEY, member bigint)",
			"CREATE TRIGGER transferred AFTER UPDATE OF member ON visits BEGIN UPDATE owners SET member = new.member WHERE id = new.id; END"),
		Down: statements("DROP TABLE grants"),
	}
	if _, err := migrate.Up(t.Context(), db, []migrate.Migration{tables}); err != nil {
		t.Fatal(err)
	}
	watch := db.Watch(func(w database.Write) bool {
		switch w.Table {
		case "visits":
			return false
		case "members":
			return w.Operation == database.Update && w.Column != "seen"
		}
		return true
	})
	return url, func(statement string, args ...any) bool {
		t.Helper()
		before, _ := watch.Epoch()
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			if strings.HasSuffix(statement, "RETURNING id") {
				var id int
				return db.Row(ctx, statement, args...).Scan(&id)
			}
			_, err := db.Exec(ctx, statement, args...)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		after, sure := watch.Epoch()
		return after != before || !sure
	}
}

func TestWatchKnowsWhatAStatementWrites(t *testing.T) {
	t.Parallel()
	_, changes := watched(t)
	for range 3 { // SQLite prepares most of them only the first time
		for _, c := range []struct {
			statement string
			args      []any
			want      bool
		}{
			{"INSERT INTO members (id) VALUES (?)", []any{1}, false},
			{"UPDATE members SET seen = ? WHERE id = ?", []any{2, 1}, false},
			{"UPDATE members SET seen = ?, state = 'gone' WHERE id = ?", []any{2, 1}, true},
			{"INSERT INTO members (id) VALUES (?) ON CONFLICT DO NOTHING", []any{1}, false},
			{"INSERT INTO members (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET seen = 3", []any{1}, false},
			{"INSERT INTO members (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET state = ''", []any{1}, true},
			{"INSERT INTO grants (member) VALUES (?)", []any{1}, true},
			{"WITH k AS (SELECT 1 AS id) UPDATE members SET state = '' WHERE id = ?", []any{1}, true},
			{"INSERT INTO visits (id) VALUES (?)", []any{1}, false},
			{"REPLACE INTO visits (id) VALUES (?)", []any{1}, true},
			{"INSERT OR REPLACE INTO visits (id) VALUES (?)", []any{1}, true},
			{"UPDATE members SET seen = replace('1', '1', '2') WHERE id = ?", []any{1}, false},
			{"SELECT 1 WHERE ? = 1; INSERT INTO visits (id) VALUES (?)", []any{1, 2}, true},
			{"UPDATE visits SET id = id WHERE id = ?", []any{1}, false},
			{"UPDATE visits SET member = 1 WHERE id = ?", []any{1}, true}, // because of the trigger
			{"DELETE FROM visits WHERE id IN (?, 2)", []any{1}, false},
			{"DELETE FROM members WHERE id = ?", []any{1}, true}, // because of the foreign key
		} {
			if changes(c.statement, c.args...) != c.want {
				t.Errorf("%s: begins an epoch is %t", c.statement, !c.want)
			}
		}
	}
}

// The driver keeps prepared statements across a schema change that it does not know of.
func TestWatchKnowsANewTrigger(t *testing.T) {
	t.Parallel()
	url, changes := watched(t)
	const known, fresh = "INSERT INTO visits (id) VALUES (?)", "INSERT INTO visits (member, id) VALUES (1, ?) RETURNING id"
	if changes(known, 1) {
		t.Fatal("an unwatched table begins an epoch")
	}
	other := open(t, url)
	trigger := "CREATE TRIGGER visited AFTER INSERT ON visits BEGIN UPDATE members SET state = '' WHERE id = new.member; END"
	if err := other.InBulk(t.Context(), func(ctx context.Context) error { _, err := other.Exec(ctx, trigger); return err }); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if !changes(fresh, 20+i) {
			t.Errorf("what the trigger of a new statement writes was missed, time %d", i)
		}
	}
	for i := range 3 {
		if !changes(known, 10+i) {
			t.Errorf("what the trigger of a known statement writes was missed, time %d", i)
		}
	}
}

// SQLite reports the INSERT of a REPLACE, and not the rows that it deletes.
func TestWatchKnowsATriggerThatReplaces(t *testing.T) {
	t.Parallel()
	url, changes := watched(t)
	other := open(t, url)
	trigger := "CREATE TRIGGER visited AFTER UPDATE ON visits BEGIN INSERT OR REPLACE INTO members (id) VALUES (1); END"
	if err := other.InBulk(t.Context(), func(ctx context.Context) error { _, err := other.Exec(ctx, trigger); return err }); err != nil {
		t.Fatal(err)
	}
	changes("INSERT INTO visits (id) VALUES (?)", 1)
	for i := range 3 {
		if !changes("UPDATE visits SET id = id WHERE id = ?", 1) {
			t.Errorf("what the trigger replaces was missed, time %d", i)
		}
	}
}
