package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

const migrationTable = "schema_migrations"

// advisoryLock is the key of PostgreSQL's lock on migrating ("guildhal").
const advisoryLock = 0x6775696c6468616c

// ErrSchemaNewer is a database that a newer version of the service migrated.
var ErrSchemaNewer = errors.New("the database schema is newer than this version of guildhall: start the newer version, or roll its migrations back with it")

var migrationID = regexp.MustCompile(`^\d{12}_([a-z]+)_[a-z0-9_]+$`)

// Source is a module's migrations.
type Source struct {
	Module     string
	Migrations []Migration
}

// Merge puts the migrations of all modules into the order of their ids.
func Merge(sources ...Source) ([]Migration, error) {
	var merged []Migration
	var problems []error
	for _, source := range sources {
		for _, m := range source.Migrations {
			match := migrationID.FindStringSubmatch(m.ID)
			switch {
			case match == nil:
				problems = append(problems, fmt.Errorf("migration %q is not named YYYYMMDDhhmm_module_what", m.ID))
			case match[1] != source.Module:
				problems = append(problems, fmt.Errorf("migration %q is not named after its module %q", m.ID, source.Module))
			case m.Up == nil || m.Down == nil:
				problems = append(problems, fmt.Errorf("migration %q does not go both ways", m.ID))
			}
			merged = append(merged, m)
		}
	}
	slices.SortFunc(merged, func(a, b Migration) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(merged); i++ {
		if merged[i].ID == merged[i-1].ID {
			problems = append(problems, fmt.Errorf("migration %q exists twice", merged[i].ID))
		}
	}
	return merged, errors.Join(problems...)
}

// Status compares the migrations known here with those applied there.
type Status struct {
	Applied, Pending []string
	Unknown          []string // applied by a newer version
}

// Status reads which migrations have been applied; it changes nothing.
func (d *DB) Status(ctx context.Context, known []Migration) (Status, error) {
	s, err := d.statusOf(d.reader.WithContext(ctx), known)
	return s, d.dialect.explain(ctx, err)
}

// Applied returns the ids of the migrations that have been, also of a database
// into which a copy was not finished.
func (d *DB) Applied(ctx context.Context) ([]string, error) {
	ids, err := d.appliedIn(d.reader.WithContext(ctx))
	return ids, d.dialect.explain(ctx, err)
}

func (d *DB) statusOf(conn *gorm.DB, known []Migration) (Status, error) {
	var s Status
	if err := d.refuseHalfCopied(conn); err != nil {
		return s, err
	}
	done, err := d.appliedIn(conn)
	if err != nil {
		return s, err
	}
	for _, m := range known {
		if i := slices.Index(done, m.ID); i >= 0 {
			s.Applied = append(s.Applied, m.ID)
			done = slices.Delete(done, i, i+1)
		} else {
			s.Pending = append(s.Pending, m.ID)
		}
	}
	s.Unknown = done
	return s, nil
}

func (d *DB) appliedIn(conn *gorm.DB) (ids []string, err error) {
	there, err := d.hasTable(conn, migrationTable)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", migrationTable, err)
	}
	if !there {
		return nil, nil
	}
	if err := conn.Raw("SELECT id FROM " + migrationTable + " ORDER BY id").Scan(&ids).Error; err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	return ids, nil
}

func (d *DB) hasTable(conn *gorm.DB, name string) (bool, error) {
	var n int64
	err := conn.Raw(d.syntax.hasTable, name).Scan(&n).Error
	return n > 0, err
}

// Statements is the SQL of one direction of a migration, for this database.
func (d *DB) Statements(direction func(Driver) []string) []string {
	statements := slices.DeleteFunc(slices.Clone(direction(d.driver)), d.engine.Omits)
	if d.driver == SQLite {
		for i, s := range statements {
			statements[i] = sqliteTypes(s)
		}
	}
	return statements
}

var (
	uuidType = regexp.MustCompile(`(?i)\b(\w+)(\s+)uuid\b`)
	timeType = regexp.MustCompile(`(?i)\btimestamptz\b`)
)

// sqliteTypes gives columns an affinity that keeps what is written (a uuid
// column would be numeric) and a type that the driver reads times from.
func sqliteTypes(statement string) string {
	statement = uuidType.ReplaceAllString(statement, "${1}${2}TEXT")
	return timeType.ReplaceAllString(statement, "DATETIME")
}

// Migrate applies what is pending, in order, and returns the ids, which no two
// processes do at once. A SQLite file and an empty database get all or nothing.
// On a PostgreSQL that is in use each migration is a transaction of its own, and
// what was applied before one that failed stays: a single one that held several
// tables would never get the next while requests hold that and wait for these. On an
// engine that migrates in steps each statement is one; what was interrupted is
// taken up again.
func (d *DB) Migrate(ctx context.Context, known []Migration) (applied []string, err error) {
	for {
		step, more, err := d.migrateStep(ctx, known)
		applied = append(applied, step...)
		if err != nil || !more {
			return applied, err
		}
	}
}

func (d *DB) migrateStep(ctx context.Context, known []Migration) (applied []string, more bool, err error) {
	err = d.migrating(ctx, func(tx *gorm.DB) error {
		status, err := d.statusOf(tx, known)
		if err != nil {
			return err
		}
		if len(status.Unknown) > 0 {
			return ErrSchemaNewer
		}
		if len(status.Pending) == 0 {
			return nil
		}
		if len(status.Applied) > 0 {
			if err := d.copyAside(ctx); err != nil {
				return err
			}
		}
		applied = status.Pending
		if d.driver == Postgres && !d.engine.MigratesInSteps() && len(status.Applied) > 0 {
			applied, more = status.Pending[:1], len(status.Pending) > 1
		}
		err = d.keepingRowSecurity(tx, func() error { return d.gormigrate(tx, known).MigrateTo(applied[len(applied)-1]) })
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return d.checkForeignKeys(tx)
	})
	if err != nil {
		return nil, false, err
	}
	return applied, more, nil
}

// Rollback undoes the last n migrations, newest first, all or none.
func (d *DB) Rollback(ctx context.Context, known []Migration, n int) (undone []string, err error) {
	err = d.migrating(ctx, func(tx *gorm.DB) error {
		undone = nil
		status, err := d.statusOf(tx, known)
		if err != nil {
			return err
		}
		if len(status.Unknown) > 0 {
			return ErrSchemaNewer
		}
		if n > len(status.Applied) {
			return fmt.Errorf("only %d migrations have been applied", len(status.Applied))
		}
		if err := d.copyAside(ctx); err != nil {
			return err
		}
		g := d.gormigrate(tx, known)
		for range n {
			id := status.Applied[len(status.Applied)-1-len(undone)]
			if err := g.RollbackLast(); err != nil {
				return fmt.Errorf("roll back %s: %w", id, err)
			}
			undone = append(undone, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return undone, nil
}

func (d *DB) gormigrate(tx *gorm.DB, known []Migration) *gormigrate.Gormigrate {
	resumes := d.engine.MigratesInSteps() // the first that runs may have run in part
	run := func(direction func(Driver) []string) func(*gorm.DB) error {
		return func(tx *gorm.DB) error {
			for _, s := range d.Statements(direction) {
				if err := tx.Exec(s).Error; err != nil && !(resumes && isDone(s, err)) {
					return fmt.Errorf("%s: %w", firstLine(s), err)
				}
			}
			resumes = false
			return nil
		}
	}
	steps := make([]*gormigrate.Migration, len(known))
	for i, m := range known {
		steps[i] = &gormigrate.Migration{ID: m.ID, Migrate: run(m.Up), Rollback: run(m.Down)}
	}
	return gormigrate.New(tx, &gormigrate.Options{
		TableName: migrationTable, IDColumnName: "id", IDColumnSize: 255,
		UseTransaction: false, ValidateUnknownMigrations: true, // the transaction is ours, with the lock
	}, steps)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// migrating runs fn in one transaction that excludes every other migrator, or,
// on an engine that migrates in steps, beside one.
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
		return fmt.Errorf("others use the tables that change (a dump, a long transaction): try again when they are done: %w", err)
	}
	return d.dialect.explain(ctx, err)
}

// unhurried frees a transaction from the limits that are set for requests. Not
// every version has all of them.
const unhurried = `SELECT set_config(name, '0', true) FROM pg_settings
	WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout') AND setting <> '0'`

// migrating waits for a table for half a second. Requests queue behind it no
// longer than that. PostgreSQL looks for deadlocks only after a second, so it cancels no
// request for one.
func (d postgresDialect) migrating(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return d.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec(unhurried).Error; err != nil {
			return fmt.Errorf("take as long as it takes: %w", err)
		}
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", int64(advisoryLock)).Error; err != nil {
			return fmt.Errorf("lock for migrating: %w", err)
		}
		if err := tx.Exec("SET LOCAL lock_timeout = '500ms'").Error; err != nil {
			return fmt.Errorf("limit the wait for tables: %w", err)
		}
		if err := d.tellTenant(ctx, tx); err != nil { // what is changed is in every row
			return err
		}
		return fn(tx)
	}, &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // to see what the lock waited for
}

func (d sqliteDialect) migrating(ctx context.Context, fn func(tx *gorm.DB) error) error {
	// SQLite's own procedure for changing a schema: without foreign keys, which
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

func (d *DB) checkForeignKeys(tx *gorm.DB) error {
	if d.driver == Postgres {
		return nil
	}
	var table string
	err := tx.Raw("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1").Scan(&table).Error
	if err != nil {
		return fmt.Errorf("check foreign keys: %w", err)
	}
	if table == "" {
		return nil
	}
	return fmt.Errorf("after migrating, rows of %s refer to rows that don't exist", table)
}
