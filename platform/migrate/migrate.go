// Package migrate applies the modules' migrations to a database, and rolls them back.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/gorm"

	"guildhall/platform/database"
)

// ErrSchemaNewer means that a newer version of the service has migrated the database.
var ErrSchemaNewer = errors.New("the database schema is newer than this version of guildhall: start the newer version, or roll its migrations back with it")

var migrationID = regexp.MustCompile(`^\d{12}_([a-z]+)_[a-z0-9_]+$`)

// Source is a module's migrations.
type Source struct {
	Module     string
	Migrations []Migration
}

// Merge returns the migrations of all modules, ordered by id. It refuses ids that are
// duplicate or not named after their module, and migrations without both directions.
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
				problems = append(problems, fmt.Errorf("migration %q needs both Up and Down", m.ID))
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

// Status compares the migrations of this version with those applied to a database.
type Status struct {
	Applied, Pending []string
	Unknown          []string // applied by a newer version
}

// StatusOf returns which migrations have been applied. It changes nothing.
func StatusOf(ctx context.Context, db *database.DB, known []Migration) (s Status, err error) {
	half, err := db.IsHalfCopied(ctx)
	if err != nil {
		return s, err
	}
	if half {
		return s, database.ErrHalfCopied
	}
	done, err := db.Applied(ctx)
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

// Statements returns the SQL of one direction of a migration, for this database.
func Statements(db *database.DB, direction func(database.Driver) []string) []string {
	statements := slices.DeleteFunc(slices.Clone(direction(db.Driver())), db.Engine().Omits)
	if db.Driver() == database.SQLite {
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

// sqliteTypes replaces column types by those whose affinity keeps what is written (a
// uuid column would be numeric) and that the driver reads times from.
func sqliteTypes(statement string) string {
	statement = uuidType.ReplaceAllString(statement, "${1}${2}TEXT")
	return timeType.ReplaceAllString(statement, "DATETIME")
}

// Up applies the pending migrations in order, and returns their ids. No two processes
// do that at the same time. On a SQLite file or an empty database, it applies all of
// them or none. On a PostgreSQL that is in use, each migration is a transaction of its
// own, and those before a failed one stay applied: a single transaction that had locked
// several tables would never get the next one while requests use it and wait for the
// others. On an engine that migrates in steps, each statement is a transaction, and an
// interrupted migration is resumed.
func Up(ctx context.Context, db *database.DB, known []Migration) (applied []string, err error) {
	for {
		ids, more, err := step(ctx, db, known)
		applied = append(applied, ids...)
		if err != nil || !more {
			return applied, err
		}
	}
}

func step(ctx context.Context, db *database.DB, known []Migration) (applied []string, more bool, err error) {
	err = db.ChangeSchema(ctx, func(ctx context.Context) error {
		status, err := StatusOf(ctx, db, known)
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
			if err := db.CopyAside(ctx); err != nil {
				return err
			}
		}
		applied = status.Pending
		if db.Driver() == database.Postgres && !db.Engine().MigratesInSteps() && len(status.Applied) > 0 {
			applied, more = status.Pending[:1], len(status.Pending) > 1
		}
		err = db.KeepingRowSecurity(ctx, func() error { return gormigrator(ctx, db, known).MigrateTo(applied[len(applied)-1]) })
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return checkForeignKeys(ctx, db)
	})
	if err != nil {
		return nil, false, err
	}
	return applied, more, nil
}

// Down rolls back the last n migrations, newest first, all or none.
func Down(ctx context.Context, db *database.DB, known []Migration, n int) (undone []string, err error) {
	err = db.ChangeSchema(ctx, func(ctx context.Context) error {
		undone = nil
		status, err := StatusOf(ctx, db, known)
		if err != nil {
			return err
		}
		if len(status.Unknown) > 0 {
			return ErrSchemaNewer
		}
		if n > len(status.Applied) {
			return fmt.Errorf("only %d migrations have been applied", len(status.Applied))
		}
		if err := db.CopyAside(ctx); err != nil {
			return err
		}
		g := gormigrator(ctx, db, known)
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

func gormigrator(ctx context.Context, db *database.DB, known []Migration) *gormigrate.Gormigrate {
	resumes := db.Engine().MigratesInSteps() // the first one may already have run in part
	run := func(direction func(database.Driver) []string) func(*gorm.DB) error {
		return func(tx *gorm.DB) error {
			for _, s := range Statements(db, direction) {
				if err := tx.Exec(s).Error; err != nil && !(resumes && database.IsAlreadyDone(s, err)) {
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
	return gormigrate.New(db.Conn(ctx), &gormigrate.Options{
		TableName: database.MigrationTable, IDColumnName: "id", IDColumnSize: 255,
		UseTransaction: false, ValidateUnknownMigrations: true, // the transaction is ours, with the lock
	}, steps)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func checkForeignKeys(ctx context.Context, db *database.DB) error {
	if db.Driver() == database.Postgres {
		return nil
	}
	var table string
	err := db.Row(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	switch {
	case database.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("check foreign keys: %w", err)
	}
	return fmt.Errorf("after migrating, rows of %s refer to rows that don't exist", table)
}
