package database

import (
	"context"
	"fmt"
	"strconv"

	"guildhall/platform/engine"
)

// recognise asks a server which engine it is, of which version, and how it isolates
// transactions.
//
// REPEATABLE READ is refused: its transactions see what was there when they
// began, and not what a lock waited for, so that the second look at a role would
// see what it was before. READ COMMITTED looks anew, SERIALIZABLE finds out at the
// commit. YugabyteDB may take the one for the other.
func (d postgresDialect) recognise(ctx context.Context) error {
	var version, release, number, isolation string
	var citus bool
	err := d.readPool.QueryRowContext(ctx, `SELECT version(), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus'),
		COALESCE(current_setting('server_version', true), ''), COALESCE(current_setting('server_version_num', true), ''),
		COALESCE(current_setting('yb_effective_transaction_isolation_level', true), current_setting('transaction_isolation'))`).
		Scan(&version, &citus, &release, &number, &isolation)
	if err != nil {
		return d.explain(ctx, fmt.Errorf("ask the database which it is: %w", err))
	}
	if d.engine == "" {
		d.engine = engine.Detect(version, citus)
	}
	if err := d.checkVersion(ctx, release, number); err != nil {
		return err
	}
	if isolation == "repeatable read" {
		return unfit{
			what: fmt.Sprintf("%s runs transactions at REPEATABLE READ, which does not see what a lock waited for", d.engine),
			mend: "set default_transaction_isolation to 'read committed' or 'serializable', and on YugabyteDB yb_enable_read_committed_isolation",
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
			mend: "upgrade the server",
		}
	}
	if d.engine.TooNew(n) {
		d.options.Log.WarnContext(ctx, "this PostgreSQL is newer than those that guildhall is tested with",
			"version", release, "newest_tested", engine.NewestPostgreSQL)
	}
	return nil
}
