package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

const lockTable = "schema_migrations_lock"

// alone runs fn while no other process does, on an engine without advisory locks. A
// transaction next to it inserts a row, for which the others wait, and is rolled back
// at the end. A process that is killed leaves nothing behind.
func (d *DB) alone(ctx context.Context, fn func() error) error {
	conn := d.writer.WithContext(ctx)
	create := "CREATE TABLE IF NOT EXISTS " + lockTable + " (id bigint NOT NULL PRIMARY KEY)"
	err := conn.Exec(create).Error
	if err != nil && !IsAlreadyDone(create, err) && !IsDuplicate(err) { // another process may create it at the same time
		return fmt.Errorf("create the lock for migrations: %w", err)
	}
	var lock *gorm.DB
	err = retrying(ctx, openAttempts, func() error {
		lock = conn.Begin()
		if lock.Error != nil {
			return lock.Error
		}
		err := lock.Exec("INSERT INTO " + lockTable + " (id) VALUES (1)").Error
		if err != nil {
			lock.Rollback()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("lock for migrating: %w", err)
	}
	defer lock.Rollback()
	return fn()
}

// IsAlreadyDone reports whether a schema change was refused because it was done before:
// what it creates exists, or what it drops does not.
func IsAlreadyDone(statement string, err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "42P07", "42701", "42710", "42723": // duplicate table or index, column, object, function
		return true
	case "42P01", "42703", "42704", "42883": // the same, undefined
		return strings.Contains(statement, "DROP ")
	}
	return false
}
