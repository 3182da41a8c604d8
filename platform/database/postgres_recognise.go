package database

import (
	"context"
	"fmt"
	"strconv"

	"guildhall/platform/engine"
)

// recognise asks the server for its engine, its version, and its transaction isolation.
//
// It refuses REPEATABLE READ. Such a transaction sees the data as of its beginning, and
// not what was committed while it waited for a lock, so the second check of a role
// would see the role as it was before. READ COMMITTED sees the new data, and
// SERIALIZABLE detects the conflict at the commit. YugabyteDB may run REPEATABLE READ
// when asked for READ COMMITTED.
func (d postgresDialect) recognise(ctx context.Context) error {
	var version, release, number, isolation string
	var citus bool
	err := d.readPool.QueryRowContext(ctx, `SELECT version(), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus'),
		COALESCE(current_setting('server_version', true), ''), COALESCE(current_setting('server_version_num', true), ''),
		COALESCE(current_setting('yb_effective_transaction_isolation_level', true), current_setting('transaction_isolation'))`).
		Scan(&version, &citus, &release, &number, &isolation)
	if err != nil {
		return d.explain(ctx, fmt.Errorf("ask the database for its version: %w", err))
	}
	if d.engine == "" {
		d.engine = engine.Detect(version, citus)
	}
	if err := d.checkVersion(ctx, release, number); err != nil {
		return err
	}
	if isolation == "repeatable read" {
		return unfit{
			what: fmt.Sprintf("%s runs transactions at REPEATABLE READ, which does not see what was committed during the wait for a lock", d.engine),
			fix:  "set default_transaction_isolation to 'read committed' or 'serializable', and on YugabyteDB yb_enable_read_committed_isolation",
		}
	}
	if err := d.checkEncoding(ctx); err != nil {
		return err
	}
	return d.checkSearchPath(ctx)
}

// checkVersion refuses a server that is too old.
func (d postgresDialect) checkVersion(ctx context.Context, release, number string) error {
	n, _ := strconv.Atoi(number)
	if d.engine.TooOld(n) {
		return unfit{
			what: fmt.Sprintf("the server is PostgreSQL %s, and guildhall needs PostgreSQL %d or newer", release, engine.OldestPostgreSQL),
			fix:  "upgrade the server",
		}
	}
	if d.engine.TooNew(n) {
		d.options.Log.WarnContext(ctx, "this PostgreSQL is newer than those that guildhall is tested with",
			"version", release, "newest_tested", engine.NewestPostgreSQL)
	}
	return nil
}
