package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// copyTable exists while a copy into this database is unfinished. Its rows are the
// statements that restore what the copy has dropped.
const copyTable = "guildhall_copy_in_progress"

// ErrHalfCopied means that a copy into this database was not finished.
var ErrHalfCopied = errors.New("a copy into this database, or a seed, was not finished: run the same `guildhall copy` (or `restore`) again, or start over with an empty database")

// IsHalfCopied reports whether a copy into this database was started and not finished.
func (d *DB) IsHalfCopied(ctx context.Context) (bool, error) {
	half, err := d.hasTable(d.Conn(ctx), copyTable)
	if err != nil {
		return false, d.dialect.explain(ctx, fmt.Errorf("look for %s: %w", copyTable, err))
	}
	return half, nil
}

// Each query returns two statements per object that can be dropped for the copy: how to
// drop it, and how to create it again. The objects are created again in this order.
const (
	sqliteAside = `SELECT 'DROP ' || upper(type) || ' ' || name, sql FROM sqlite_schema
		WHERE type IN ('index', 'trigger') AND sql IS NOT NULL AND tbl_name IN %s ORDER BY type`

	postgresAside = `WITH ours AS (SELECT oid, oid::regclass AS name, relrowsecurity, relforcerowsecurity FROM pg_class
			WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname IN %s)
		SELECT away, again FROM (
			SELECT 1 AS kind, 'DROP INDEX ' || i.indexrelid::regclass AS away, pg_get_indexdef(i.indexrelid) AS again
			FROM pg_index i JOIN ours ON ours.oid = i.indrelid
			WHERE NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
			UNION ALL
			SELECT 2, 'ALTER TABLE ' || ours.name || ' DROP CONSTRAINT ' || quote_ident(c.conname),
				'ALTER TABLE ' || ours.name || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid)
			FROM pg_constraint c JOIN ours ON ours.oid = c.conrelid WHERE c.contype = 'f'
			UNION ALL
			SELECT 3, 'DROP TRIGGER ' || quote_ident(t.tgname) || ' ON ' || ours.name, pg_get_triggerdef(t.oid)
			FROM pg_trigger t JOIN ours ON ours.oid = t.tgrelid WHERE NOT t.tgisinternal
			UNION ALL
			SELECT 4, 'ALTER TABLE ' || name || ' DISABLE ROW LEVEL SECURITY', 'ALTER TABLE ' || name || ' ENABLE ROW LEVEL SECURITY'
			FROM ours WHERE relrowsecurity
			UNION ALL
			SELECT 5, 'ALTER TABLE ' || name || ' NO FORCE ROW LEVEL SECURITY', 'ALTER TABLE ' || name || ' FORCE ROW LEVEL SECURITY'
			FROM ours WHERE relforcerowsecurity
		) s ORDER BY kind, again`
)

// BeginCopy marks the database as half copied. It drops what would block or slow down
// filling these tables: indexes, foreign keys, triggers and row-level security. Only
// the tables' owner may call it, in a transaction. It empties those that are remade at each
// start, refuses others that are not empty, and checks that under a lock that excludes other writers. From then on the
// tables refuse all other writers.
func (b *Bulk) BeginCopy(ctx context.Context, tables []string, remade ...string) error {
	query, list := sqliteAside, strings.Join(tables, ", ")
	if b.db.driver == Postgres {
		query = postgresAside
		if err := b.exec(ctx, "LOCK TABLE "+list+" IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	for _, t := range remade {
		if err := b.exec(ctx, "DELETE FROM "+t); err != nil { //nolint:gosec // a table of the schema
			return err
		}
	}
	for _, t := range tables {
		var n int64
		if err := b.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t).Scan(&n); err != nil { //nolint:gosec // a table of the schema
			return fmt.Errorf("count %s: %w", t, err)
		}
		if n > 0 {
			return fmt.Errorf("the target is not empty: %s has %d row(s) (create another database with CREATE DATABASE, and use that)", t, n)
		}
	}
	rows, err := b.tx.QueryContext(ctx, fmt.Sprintf(query, "('"+strings.Join(tables, "', '")+"')"))
	if err != nil {
		return fmt.Errorf("look for indexes and constraints: %w", err)
	}
	pairs, err := Collect(rows, func(scan func(...any) error) (pair [2]string, err error) { return pair, scan(&pair[0], &pair[1]) })
	if err != nil {
		return fmt.Errorf("look for indexes and constraints: %w", err)
	}
	if err := b.exec(ctx, "CREATE TABLE "+copyTable+" (position bigint NOT NULL PRIMARY KEY, statement text NOT NULL)"); err != nil {
		return err
	}
	position := 0
	finally := func(statement string) error {
		position++
		insert, args := b.db.dialect.bind("INSERT INTO "+copyTable+" (position, statement) VALUES (?, ?)", []any{position, statement})
		return b.exec(ctx, insert, args...)
	}
	for _, pair := range pairs {
		if err := errors.Join(finally(pair[1]), b.exec(ctx, pair[0])); err != nil {
			return err
		}
	}
	return b.fence(ctx, tables, finally)
}

// fence keeps a running service from writing to the database: what it acknowledged
// would not be in the source. On SQLite nothing is needed, because no other process has
// the file open (RequireUnused).
func (b *Bulk) fence(ctx context.Context, tables []string, finally func(string) error) error {
	if b.db.driver != Postgres {
		return nil
	}
	err := b.exec(ctx, `CREATE FUNCTION `+copyTable+`() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF current_setting('guildhall.copying', true) = 'on' THEN RETURN NULL; END IF;
			RAISE EXCEPTION 'a copy into this database is not finished' USING ERRCODE = '57P03';
		END $$`)
	for _, t := range tables {
		err = errors.Join(err, b.exec(ctx, fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION %[1]s()", copyTable, t)),
			finally("DROP TRIGGER "+copyTable+" ON "+t))
		if err != nil {
			return err
		}
	}
	return finally("DROP FUNCTION " + copyTable + "()")
}

// FinishCopy creates again what BeginCopy has dropped, and removes the mark. The
// database refuses that if the data violates a constraint.
func (b *Bulk) FinishCopy(ctx context.Context, tables []string) error {
	// This must run before the foreign keys are checked: with the statistics that an
	// automatic ANALYZE took of a half full table, the check may take minutes.
	if err := b.tidy(ctx, "ANALYZE", tables); err != nil {
		return err
	}
	if err := b.InTx(ctx, b.makeAgain); err != nil {
		return err
	}
	// With this, PostgreSQL plans well from the start, and does not run VACUUM itself
	// while the first requests arrive.
	return b.tidy(ctx, "VACUUM (ANALYZE)", tables)
}

func (b *Bulk) makeAgain(ctx context.Context) error {
	if b.db.driver == Postgres {
		if err := b.exec(ctx, "SET LOCAL maintenance_work_mem = '256MB'"); err != nil {
			return err
		}
	}
	rows, err := b.tx.QueryContext(ctx, "SELECT statement FROM "+copyTable+" ORDER BY position")
	if err != nil {
		return fmt.Errorf("read what was set aside: %w", err)
	}
	statements, err := Collect(rows, func(scan func(...any) error) (s string, err error) { return s, scan(&s) })
	if err != nil {
		return fmt.Errorf("read what was set aside: %w", err)
	}
	for _, s := range append(statements, "DROP TABLE "+copyTable) {
		if err := b.exec(ctx, s); err != nil {
			return err
		}
	}
	if b.db.driver == Postgres {
		return nil
	}
	var table string
	err = b.tx.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("rows of %s refer to rows that don't exist", table)
	}
	return err
}

// tidy runs VACUUM or ANALYZE on PostgreSQL. It must not run in a transaction, not even
// in the one in which a guarded connection sets the tenant.
func (b *Bulk) tidy(ctx context.Context, how string, tables []string) error {
	if b.db.driver == SQLite {
		return nil
	}
	return b.conn.Raw(func(driverConn any) error {
		conn, err := pgxConn(driverConn)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if _, err := conn.Exec(ctx, how+" "+t); err != nil {
				return fmt.Errorf("%s %s: %w", how, t, err)
			}
		}
		return nil
	})
}

func (b *Bulk) exec(ctx context.Context, statement string, args ...any) error {
	if _, err := b.tx.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", firstLine(statement), err)
	}
	return nil
}
