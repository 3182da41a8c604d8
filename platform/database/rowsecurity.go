package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// rowSecurity says which tables have a policy and whether it is on.
func rowSecurity(conn *gorm.DB) (tables []string, on int, err error) {
	rows, err := conn.Raw(`SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
		ORDER BY c.relname`).Rows()
	if err != nil {
		return nil, 0, fmt.Errorf("look for row-level security: %w", err)
	}
	tables, err = Collect(rows, func(scan func(...any) error) (name string, err error) {
		var enabled bool
		if err = scan(&name, &enabled); enabled {
			on++
		}
		return name, err
	})
	return tables, on, err
}

// setRowSecurity turns the modules' policies on, if configured, within the
// transaction of a migration. Only the tables' owner may.
func (d *DB) setRowSecurity(tx *gorm.DB) error {
	if d.driver != Postgres || !d.options.RowSecurity {
		return nil
	}
	return alterRowSecurity(tx, "ENABLE ROW LEVEL SECURITY, FORCE") // for its owner, too
}

// TurnOffRowSecurity takes the wall away where it is not configured. It is said by
// name, so that a forgotten setting doesn't.
func (d *DB) TurnOffRowSecurity(ctx context.Context) error {
	if d.driver != Postgres || d.options.RowSecurity {
		return nil
	}
	return d.migrating(ctx, func(tx *gorm.DB) error { return alterRowSecurity(tx, "DISABLE ROW LEVEL SECURITY, NO FORCE") })
}

func alterRowSecurity(tx *gorm.DB, how string) error {
	tables, on, err := rowSecurity(tx)
	enable := strings.HasPrefix(how, "ENABLE")
	if err != nil || enable && on == len(tables) || !enable && on == 0 {
		return err
	}
	for _, table := range tables {
		if err := tx.Exec("ALTER TABLE " + table + " " + how + " ROW LEVEL SECURITY").Error; err != nil {
			return fmt.Errorf("row-level security of %s: %w", table, err)
		}
	}
	return nil
}

// Unguarded returns the tables whose rows belong to an organization or a person, by
// their columns, and that have neither a policy nor a reason why not (NoPolicy).
func (d *DB) Unguarded(ctx context.Context, migrations []Migration) ([]string, error) {
	rows, err := d.reader.WithContext(ctx).Raw(`SELECT c.relname FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
			AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('organization_id', 'user_id') AND NOT a.attisdropped)
			AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
		ORDER BY c.relname`).Rows()
	if err != nil {
		return nil, fmt.Errorf("look for tables without a policy: %w", err)
	}
	tables, err := Collect(rows, func(scan func(...any) error) (name string, err error) { return name, scan(&name) })
	return slices.DeleteFunc(tables, func(table string) bool {
		return slices.ContainsFunc(migrations, func(m Migration) bool { return m.NoPolicy[table] != "" })
	}), err
}

// CheckRowSecurity refuses a database that does not hold to the configuration:
// policies that are off or missing, or a role that they don't bind.
func (d *DB) CheckRowSecurity(ctx context.Context, migrations []Migration) error {
	if d.driver != Postgres {
		if d.options.RowSecurity {
			return errors.New("DATABASE_ROW_SECURITY is for PostgreSQL; SQLite has no row-level security")
		}
		return nil
	}
	tables, on, err := rowSecurity(d.reader.WithContext(ctx))
	switch {
	case err != nil:
		return err
	case !d.options.RowSecurity && on > 0:
		return errors.New("row-level security is on in the database: set DATABASE_ROW_SECURITY=true, or run `guildhall migrate up` without it to turn it off")
	case d.options.RowSecurity && on < len(tables):
		return errors.New("row-level security is off in the database: run `guildhall migrate up` with DATABASE_ROW_SECURITY=true")
	case !d.options.RowSecurity:
		return nil
	}
	unguarded, err := d.Unguarded(ctx, migrations)
	if err != nil {
		return err
	}
	if len(unguarded) > 0 {
		return fmt.Errorf("DATABASE_ROW_SECURITY is on, but these tables have an organization_id or a user_id and no policy: %s; give them one, or move them to another schema", strings.Join(unguarded, ", "))
	}
	var bypasses bool
	if err := d.Row(ctx, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&bypasses); err != nil {
		return fmt.Errorf("look at the role: %w", err)
	}
	if bypasses {
		return errors.New("DATABASE_ROW_SECURITY is on, but the role in DATABASE_URL is a superuser or has BYPASSRLS: connect as one that is not")
	}
	return nil
}
