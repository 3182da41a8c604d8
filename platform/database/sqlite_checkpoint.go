package database

import (
	"context"
	"fmt"
	"os"
)

// logLimit is the size that the file of the write-ahead log keeps when the log
// restarts. Checkpoints begin at 4 MB, so the log exceeds this limit only if something
// keeps them from finishing. Without a limit the file would stay that large.
const logLimit = 16 << 20

// CheckpointIdle checkpoints SQLite's write-ahead log and truncates its file, if
// nothing was written since the last call. It is called at intervals. No request waits
// for it: it copies what it can while others write, locks only for the rest, and skips
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
