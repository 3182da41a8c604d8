package database

import (
	"context"
	"database/sql"
	"fmt"
	"os"
)

// logLimit is the size of the write-ahead log's file from which it is truncated although
// others write. Checkpoints begin at 4 MB, so the log exceeds this limit only if something
// kept them from finishing. Without a limit the file would stay that large.
const logLimit = 16 << 20

// CheckpointIdle checkpoints SQLite's write-ahead log and truncates its file, if it exceeds
// logLimit or nothing was written since the last call. It is called at intervals. No request
// waits for it: it copies what it can while others write, locks only for the rest, and skips
// the rest while others read.
func (d *DB) CheckpointIdle(ctx context.Context) error {
	if d.driver != SQLite || d.InPlace() != nil {
		return nil
	}
	before := d.idleLog
	log, err := os.Stat(d.opened.path + "-wal")
	if err != nil || log.Size() == 0 { // also if the log does not exist
		d.idleLog = nil
		return nil
	}
	d.idleLog = log
	idle := before != nil && before.Size() == log.Size() && before.ModTime().Equal(log.ModTime())
	if !idle && log.Size() <= logLimit {
		return nil
	}
	pool := d.openSQLitePool("_foreign_keys=on")
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint the log: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil && !isRetryable(err) { // never waits
		return fmt.Errorf("checkpoint the log: %w", err)
	}
	return truncateLog(ctx, conn)
}

// truncateLog does nothing if others use the log, or if Litestream replicates the file.
// Litestream lets go of the log for the moment of each of its checkpoints, and may read what was
// written in that moment only after the log restarted. It would not notice that a truncation took
// that away, and the replica would be damaged. For the same reason there is no PRAGMA
// journal_size_limit.
func truncateLog(ctx context.Context, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
},
) error {
	var replicated bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name IN "+litestreamTables+")").Scan(&replicated)
	if err == nil && !replicated { // mutant: litestream-log
		_, err = db.ExecContext(ctx, "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err != nil && !isRetryable(err) {
		return fmt.Errorf("truncate the log: %w", err)
	}
	return nil
}
