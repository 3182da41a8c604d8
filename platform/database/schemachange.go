package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// MigrationTable is the table of the ids of the migrations that were applied.
const MigrationTable = "schema_migrations"

// advisoryLock is the key of PostgreSQL's advisory lock for migrations ("guildhal").
const advisoryLock = 0x6775696c6468616c

// Applied returns the ids of the migrations that have been applied. It also works on a
// database into which a copy was not finished.
func (d *DB) Applied(ctx context.Context) (ids []string, err error) {
	conn := d.Conn(ctx)
	there, err := d.hasTable(conn, MigrationTable)
	if err != nil {
		return nil, d.dialect.explain(ctx, fmt.Errorf("look for %s: %w", MigrationTable, err))
	}
	if !there {
		return nil, nil
	}
	if err := conn.Raw("SELECT id FROM " + MigrationTable + " ORDER BY id").Scan(&ids).Error; err != nil {
		return nil, d.dialect.explain(ctx, fmt.Errorf("read applied migrations: %w", err))
	}
	return ids, nil
}

func (d *DB) hasTable(conn *gorm.DB, name string) (bool, error) {
	var n int64
	err := conn.Raw(d.syntax.hasTable, name).Scan(&n).Error
	return n > 0, err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// ChangeSchema runs fn while no other process changes the schema. Conn returns the
// transaction that fn runs in. An engine that migrates in steps has no such
// transaction.
func (d *DB) ChangeSchema(ctx context.Context, fn func(context.Context) error) error {
	return d.migrating(ctx, func(tx *gorm.DB) error {
		return fn(context.WithValue(ForAll(ctx), txKey{}, &transaction{db: d, conn: tx}))
	})
}

// migrating runs fn in one transaction that excludes every other migrator. On an engine
// that migrates in steps, it runs fn next to that transaction.
func (d *DB) migrating(ctx context.Context, fn func(tx *gorm.DB) error) error {
	ctx = ForAll(ctx)
	if d.driver == SQLite {
		return retrying(ctx, openAttempts, func() error { return sqliteDialect{d}.migrating(ctx, fn) })
	}
	if d.engine.MigratesInSteps() {
		return d.dialect.explain(ctx, d.alone(ctx, func() error { return fn(d.writer.WithContext(ctx)) }))
	}
	err := retrying(ctx, migrateAttempts, func() error { return postgresDialect{d}.migrating(ctx, fn) })
	if isLockTimeout(err) {
		return fmt.Errorf("another process uses the tables that change (a dump, a long transaction): try again when it is done: %w", err)
	}
	return d.dialect.explain(ctx, err)
}

// unhurried removes the time limits, which are set for requests, from a transaction.
// Not every version has all of them.
const unhurried = `SELECT set_config(name, '0', true) FROM pg_settings
	WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout') AND setting <> '0'`

// migrating waits for a table for at most half a second, because requests queue behind
// it. PostgreSQL looks for deadlocks only after a second, so it cancels no request
// because of one.
func (d postgresDialect) migrating(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return d.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec(unhurried).Error; err != nil {
			return fmt.Errorf("remove the time limits of the transaction: %w", err)
		}
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(advisoryLock)).Error; err != nil {
			return fmt.Errorf("lock for migrating: %w", err)
		}
		if err := tx.Exec("SET LOCAL lock_timeout = '500ms'").Error; err != nil {
			return fmt.Errorf("limit the wait for tables: %w", err)
		}
		if err := d.tellTenant(ctx, tx); err != nil { // the change is about the rows of all tenants
			return err
		}
		return fn(tx)
	}, &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // to see what was committed while it waited for the lock
}

func (d sqliteDialect) migrating(ctx context.Context, fn func(tx *gorm.DB) error) error {
	// This is SQLite's own procedure for changing a schema: without foreign keys, which
	// would turn DROP TABLE into deletes, and with a check before the commit.
	pool := d.openSQLitePool("_txlock=immediate&_foreign_keys=off")
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	config := d.gormConfig()
	conn, err := gorm.Open(gormSQLite{sqlite.Dialector{Conn: pool}}, config)
	if err != nil {
		return err
	}
	if err := conn.WithContext(ctx).Transaction(fn); err != nil {
		return err
	}
	return d.InPlace()
}
