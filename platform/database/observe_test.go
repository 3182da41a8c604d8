package database_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// witness is an Observer that records its calls.
type witness struct{ told []string }

func (w *witness) Statement(_ context.Context, _ database.Driver, text string, _ time.Time, err error) {
	if err != nil {
		text += " failed"
	}
	w.told = append(w.told, text)
}

func (w *witness) Transaction(ctx context.Context) (context.Context, func(database.Outcome)) {
	w.told = append(w.told, "begin")
	return ctx, func(o database.Outcome) { w.told = append(w.told, string(o)) }
}

func TestObserverGetsNoValues(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, url string) {
		w := &witness{}
		db, err := database.Open(t.Context(), database.Options{URL: databaseurl.Must(url), Create: true, MaxConnections: 2, Observer: w})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		w.told = nil
		refused := errors.New("refused")
		in := func(fn func(context.Context) error) error { return db.InTx(t.Context(), fn) }
		err = in(func(ctx context.Context) error {
			return db.Conn(ctx).Exec("CREATE TABLE t (secret text PRIMARY KEY)").Error
		})
		if err != nil {
			t.Fatal(err)
		}
		insert := func(ctx context.Context) error {
			return db.Conn(ctx).Exec("INSERT INTO t (secret) VALUES (?)", "hunter2").Error
		}
		if err := in(insert); err != nil {
			t.Fatal(err)
		}
		if err := in(insert); !database.IsDuplicate(err) {
			t.Errorf("twice: %v", err)
		}
		if err := in(func(ctx context.Context) error {
			return db.InTx(ctx, func(context.Context) error { return refused }) // joins the outer transaction
		}); !errors.Is(err, refused) {
			t.Error(err)
		}
		want := []string{
			"begin", "CREATE TABLE t (secret text PRIMARY KEY)", "committed",
			"begin", "INSERT INTO t (secret) VALUES (?)", "committed",
			"begin", "INSERT INTO t (secret) VALUES (?) failed", "rolled_back",
			"begin", "rolled_back",
		}
		for i := range w.told {
			w.told[i] = strings.ReplaceAll(w.told[i], "$1", "?")
		}
		if !slices.Equal(w.told, want) {
			t.Errorf("told:\n%s", strings.Join(w.told, "\n"))
		}
	})
}

// TestWriteAheadLogIsTruncated when it is large, and when there are no writes. A reader
// neither waits nor is waited for.
func TestWriteAheadLogIsTruncated(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := open(t, platformtest.SQLiteURL(t))
	write := func(megabytes int) {
		t.Helper()
		for range megabytes {
			if err := db.InTx(ctx, func(ctx context.Context) error {
				return db.Conn(ctx).Exec("INSERT INTO t (text) VALUES (?)", strings.Repeat("x", 1<<20)).Error
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkpoint := func() database.Files {
		t.Helper()
		if err := db.CheckpointIdle(ctx); err != nil {
			t.Fatal(err)
		}
		f, err := db.Files(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if err := db.InTx(ctx, func(ctx context.Context) error { return db.Conn(ctx).Exec("CREATE TABLE t (text text)").Error }); err != nil {
		t.Fatal(err)
	}
	const megabyte = 1 << 20
	err := db.Snapshot(ctx, func(reading context.Context) error {
		if _, err := db.Count(reading, "SELECT COUNT(*) FROM t"); err != nil {
			return err
		}
		write(30)
		for range 3 {
			if f := checkpoint(); f.WAL < 30*megabyte {
				t.Errorf("with a reader: %+v", f)
			}
		}
		write(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	write(2) // the first ends with a checkpoint, the second restarts the log
	if f := checkpoint(); f.WAL != 0 {
		t.Errorf("large, without a reader: %+v", f)
	}
	write(1)
	if f := checkpoint(); f.WAL == 0 {
		t.Error("a log that was just written to is checkpointed")
	}
	write(1)
	if f := checkpoint(); f.WAL == 0 {
		t.Error("a log that was just written to is checkpointed")
	}
	before, err := db.Files(ctx)
	if f := checkpoint(); err != nil || f.WAL != 0 || f.Checkpoints < before.Checkpoints || f.Checkpoints == 0 {
		t.Errorf("quiet: %+v, before %+v", f, before)
	}
	write(1)
	if n, err := db.Count(ctx, "SELECT COUNT(*) FROM t"); err != nil || *n != 36 {
		t.Errorf("%d rows, %v", *n, err)
	}
}

// TestLitestreamReadsALogThatRestarted: what it has not read yet stays in the file of the log.
func TestLitestreamReadsALogThatRestarted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	file := platformtest.SQLiteURL(t)
	db := open(t, file)
	exec := func(statement string, args ...any) {
		t.Helper()
		if err := db.InTx(ctx, func(ctx context.Context) error { return db.Conn(ctx).Exec(statement, args...).Error }); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := sql.Open("sqlite3", strings.TrimPrefix(file, "sqlite://"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	other, err := pool.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	litestream := func(statement string) {
		t.Helper()
		if _, err := other.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	litestream("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
	litestream("CREATE TABLE _litestream_lock (id INTEGER)")
	exec("CREATE TABLE t (text text)")
	litestream("BEGIN; SELECT COUNT(*) FROM _litestream_seq")
	for range 20 {
		exec("INSERT INTO t (text) VALUES (?)", strings.Repeat("x", 1<<20))
	}
	litestream("ROLLBACK; PRAGMA wal_checkpoint(PASSIVE)")

	stays := func(when string) {
		t.Helper()
		log, err := os.Stat(strings.TrimPrefix(file, "sqlite://") + "-wal")
		if err != nil || log.Size() < 20<<20 {
			t.Errorf("%s: %v, %v", when, log, err)
		}
	}
	exec("INSERT INTO t (text) VALUES ('x')")
	stays("after the restart")
	for range 3 {
		if err := db.CheckpointIdle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stays("when nothing was written")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	stays("after the service")
}

// TestTheFilesOfSQLite writes until the log has been checkpointed and restarted.
func TestTheFilesOfSQLite(t *testing.T) {
	t.Parallel()
	db := open(t, platformtest.SQLiteURL(t))
	exec := func(statement string, args ...any) {
		t.Helper()
		if err := db.InTx(t.Context(), func(ctx context.Context) error { return db.Conn(ctx).Exec(statement, args...).Error }); err != nil {
			t.Fatal(err)
		}
	}
	look := func() database.Files {
		t.Helper()
		f, err := db.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	exec("CREATE TABLE t (text text)")
	small := look()
	if small.Database == 0 || small.WAL == 0 || small.Free != 0 || small.Checkpoints != 0 {
		t.Errorf("at the start: %+v", small)
	}
	const megabyte = 1 << 20
	for range 12 {
		exec("INSERT INTO t (text) VALUES (?)", strings.Repeat("x", megabyte))
	}
	large := look()
	if large.Database < 12*megabyte || large.WAL < megabyte || large.WAL > 8*megabyte || large.Checkpoints == 0 {
		t.Errorf("12 MiB later: %+v", large)
	}
	exec("DELETE FROM t")
	if emptied := look(); emptied.Free < 11*megabyte || emptied.Database != large.Database {
		t.Errorf("emptied: %+v", emptied)
	}
}
