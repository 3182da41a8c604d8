package database

import (
	"context"
	"fmt"
	"os"
)

// logLimit is what the write-ahead log's file keeps when it begins anew. Checkpoints
// begin at 4 MB, so that it gets larger only where something keeps them from
// finishing, and would stay so.
const logLimit = 16 << 20

// CheckpointIdle checkpoints SQLite's write-ahead log and truncates its file, if nothing
// was written since the last call. It is called at intervals. No request waits for it: it
// copies what it can while others write, takes the lock only for the rest, and does
// without that while others read.
func (d *DB) CheckpointIdle(ctx context.Context) error {
	if d.driver != SQLite || d.InPlace() != nil {
		return nil
	}
	before := d.idleLog
	log, err := os.Stat(d.opened.path + "-wal")
	if err != nil || log.Size() == 0 { // also where it is not there
		d.idleLog = nil
		return nil
	}
	d.idleLog = log
	if before == nil || before.Size() != log.Size() || !before.ModTime().Equal(log.ModTime()) {
		return nil
	}
	pool := d.openSQLitePool("_foreign_keys=on")
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint the log: %w", err)
	}
	defer conn.Close()
	for _, statement := range []string{"PRAGMA busy_timeout = 0", "PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil && !isRetryable(err) {
			return fmt.Errorf("checkpoint the log: %w", err)
		}
	}
	return nil
}
