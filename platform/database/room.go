package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"

	"guildhall/platform/engine"
)

// A database that can only be read is not ready: clients would send it writes that it
// refuses. A full disk shows when a write fails. From then on each readiness check
// tries a write, until one succeeds.

// roomNeeded is the space in bytes that must be free before writes are accepted again.
const roomNeeded = 256 << 10

// betweenTries is the minimum time between two such tries.
const betweenTries = time.Second

// room is whether the last write found space.
type room struct {
	mu    sync.Mutex
	why   error // nil while writes succeed
	tried time.Time
}

// noteWrite is called after each transaction.
func (d *DB) noteWrite(err error) {
	if err == nil || !lacksRoom(err) {
		return
	}
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	d.room.why = err
}

// lacksRoom reports whether a write failed because of where it is stored, and not
// because of its contents.
func lacksRoom(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "53100" // disk full
	}
	var lite sqlite3.Error
	return errors.As(err, &lite) && (lite.Code == sqlite3.ErrFull || lite.Code == sqlite3.ErrIoErr || lite.Code == sqlite3.ErrReadonly)
}

// RefusesWrites reports whether the last write failed for lack of space. It does not
// ask the database.
func (d *DB) RefusesWrites() bool {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	return d.room.why != nil
}

// takesWrites returns an error if a write failed for lack of space and writes still
// fail.
func (d *DB) takesWrites(ctx context.Context) error { // mutant: ready-on-full-disk
	d.room.mu.Lock()
	why, due := d.room.why, time.Since(d.room.tried) >= betweenTries
	if due {
		d.room.tried = time.Now()
	}
	d.room.mu.Unlock()
	if why == nil {
		return nil
	}
	if due {
		if why = d.TryWriting(ctx); why == nil {
			d.room.mu.Lock()
			d.room.why = nil
			d.room.mu.Unlock()
			d.options.Log.InfoContext(ctx, "writes are taken again")
			return nil
		}
	}
	if d.driver == Postgres {
		why = redact(why, d.server.config)
	}
	return unfit{fmt.Sprintf("the database takes no writes (%v)", why), "free space on its disk, and check that it is not read-only"}
}

// TryWriting returns an error if the database has no space to write. It leaves nothing
// behind. On PostgreSQL it sorts more data than fits into work_mem, which writes a
// temporary file. On CockroachDB and YugabyteDB it does nothing.
func (d *DB) TryWriting(ctx context.Context) error {
	switch {
	case d.driver == SQLite:
		if err := tryFile(filepath.Dir(d.opened.path)); err != nil {
			return err
		}
		return d.InTx(ctx, func(ctx context.Context) error {
			_, err := d.Exec(ctx, "UPDATE "+MigrationTable+" SET id = id WHERE id = (SELECT MIN(id) FROM "+MigrationTable+")")
			return err
		})
	case d.engine != engine.PostgreSQL && d.engine != engine.Citus:
		return nil
	}
	tx, err := d.writePool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "SET LOCAL work_mem = '64kB'"); err != nil {
		return err
	}
	var rows int
	return tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT COUNT(*) FROM
		(SELECT repeat(md5(CAST(n AS text)), 32) AS text FROM generate_series(1, %d) n ORDER BY text OFFSET 1) s`, roomNeeded/1024)).Scan(&rows)
}

func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".guildhall-room-")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, roomNeeded))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
