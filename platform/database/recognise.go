package database

import (
	"context"
	"fmt"

	"guildhall/platform/engine"
)

// recognise asks a server which engine it is and how it isolates transactions.
//
// REPEATABLE READ is refused: its transactions see what was there when they
// began, and not what a lock waited for, so that the second look at a role would
// see what it was before. READ COMMITTED looks anew, SERIALIZABLE finds out at the
// commit. YugabyteDB may take the one for the other.
func (d *DB) recognise(ctx context.Context) error {
	if d.driver == SQLite {
		return nil
	}
	var version, isolation string
	var citus bool
	err := d.readPool.QueryRowContext(ctx, `SELECT version(), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus'),
		COALESCE(current_setting('yb_effective_transaction_isolation_level', true), current_setting('transaction_isolation'))`).Scan(&version, &citus, &isolation)
	if err != nil {
		return fmt.Errorf("ask the database which it is: %w", redact(err, d.options.URL))
	}
	if d.engine == "" {
		d.engine = engine.Detect(version, citus)
	}
	if isolation == "repeatable read" {
		return fmt.Errorf("%s runs transactions at REPEATABLE READ, which does not see what a lock waited for: "+
			"set default_transaction_isolation to 'read committed' or 'serializable', and on YugabyteDB yb_enable_read_committed_isolation", d.engine)
	}
	return nil
}
