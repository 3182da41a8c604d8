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

// FoldQuietLog empties SQLite's write-ahead log, and gives its file back, if nobody
// has written since it was called before: for somebody who calls it now and then.
// Nobody waits for it: it copies what it can while others write, and takes the lock
// for what is left then, or not at all while somebody reads.
func (d *DB) FoldQuietLog(ctx context.Context) error {
	if d.driver != SQLite || d.InPlace() != nil {
		return nil
	}
	before := d.quiet
	log, err := os.Stat(d.opened.path + "-wal")
	if err != nil || log.Size() == 0 { // also where it is not there
		d.quiet = nil
		return nil
	}
	d.quiet = log
	if before == nil || before.Size() != log.Size() || !before.ModTime().Equal(log.ModTime()) {
		return nil
	}
	pool := d.openSQLitePool("_foreign_keys=on")
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("fold the log: %w", err)
	}
	defer conn.Close()
	for _, statement := range []string{"PRAGMA busy_timeout = 0", "PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil && !isRetryable(err) {
			return fmt.Errorf("fold the log: %w", err)
		}
	}
	return nil
}
