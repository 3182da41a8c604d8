package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"guildhall/platform/schema"
)

// RowSecurity is the state of the policies of a database's tables.
type RowSecurity struct {
	On  []string // tables whose policies are enforced, for their owner as well
	Off []string // tables that have policies which are not enforced
}

// State returns one word for the state: on, off or, after an interruption or a manual
// change, partly on.
func (r RowSecurity) State() string {
	switch {
	case len(r.On) == 0:
		return "off"
	case len(r.Off) == 0:
		return "on"
	default:
		return "partly on"
	}
}

// RowSecurity returns the state of row-level security. On SQLite no table has a policy.
func (d *DB) RowSecurity(ctx context.Context) (RowSecurity, error) {
	if d.driver != Postgres {
		return RowSecurity{}, nil
	}
	return rowSecurityOf(d.reader.WithContext(ctx))
}

func rowSecurityOf(conn *gorm.DB) (r RowSecurity, err error) {
	rows, err := conn.Raw(`SELECT CAST(c.relname AS text), c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
		ORDER BY c.relname`).Rows()
	if err != nil {
		return r, fmt.Errorf("look for row-level security: %w", err)
	}
	_, err = Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var table string
		var on bool
		switch err = scan(&table, &on); {
		case on:
			r.On = append(r.On, table)
		default:
			r.Off = append(r.Off, table)
		}
		return none, err
	})
	return r, err
}

// SetRowSecurity turns the enforcement of every table's policies on or off, and returns
// the tables that it changed. This belongs to the database: no setting and no migration
// changes it. Each table is a transaction of its own, so that no request waits long.
// record is called in the last transaction.
func (d *DB) SetRowSecurity(ctx context.Context, declared []schema.Table, on bool, record func(ctx context.Context, tables []string) error) (changed []string, err error) {
	if d.driver != Postgres {
		return nil, ErrNoRowSecurity
	}
	before, err := d.RowSecurity(ctx)
	if err != nil {
		return nil, err
	}
	changed, how := before.On, disableRowSecurity
	if on {
		changed, how = before.Off, enableRowSecurity
		if err := d.requireGuarded(ctx, declared); err != nil {
			return nil, err
		}
	}
	for i, table := range changed {
		t := &transaction{db: d}
		err := d.migrating(ctx, func(tx *gorm.DB) error {
			*t = transaction{db: d, conn: tx}
			if err := alterRowSecurity(tx, table, how); err != nil || i < len(changed)-1 {
				return err
			}
			return t.run(context.WithValue(ForAll(ctx), txKey{}, t), func(ctx context.Context) error { return record(ctx, changed) })
		})
		if err != nil {
			return nil, err
		}
		for _, f := range t.afterCommit {
			f()
		}
	}
	return changed, nil
}

const (
	enableRowSecurity  = "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY" // FORCE: for the owner as well
	disableRowSecurity = "DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
)

func alterRowSecurity(tx *gorm.DB, table, how string) error {
	if err := tx.Exec("ALTER TABLE " + table + " " + how).Error; err != nil {
		return fmt.Errorf("row-level security of %s: %w", table, err)
	}
	return nil
}

// KeepingRowSecurity runs migrations. It turns on the policies that they create if the
// existing policies are on.
func (d *DB) KeepingRowSecurity(ctx context.Context, migrate func() error) error {
	if d.driver != Postgres {
		return migrate()
	}
	tx := d.Conn(ctx)
	before, err := rowSecurityOf(tx)
	if err != nil {
		return err
	}
	if err := migrate(); err != nil || len(before.On) == 0 { // mutant: new-tables-policies
		return err
	}
	after, err := rowSecurityOf(tx)
	if err != nil {
		return err
	}
	for _, table := range after.Off {
		if slices.Contains(before.Off, table) {
			continue
		}
		if err := alterRowSecurity(tx, table, enableRowSecurity); err != nil {
			return err
		}
	}
	return nil
}

// Unguarded returns the tables whose columns say that their rows belong to an
// organization or a person, and that have neither a policy nor a declared reason for
// not having one.
func (d *DB) Unguarded(ctx context.Context, declared []schema.Table) ([]string, error) {
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
		return slices.ContainsFunc(declared, func(t schema.Table) bool { return t.Name == table && t.Tenants.Reason() != "" })
	}), err
}

// ErrNoRowSecurity is returned on SQLite.
var ErrNoRowSecurity = errors.New("row-level security needs PostgreSQL; SQLite has none")

// requireGuarded refuses tables that no policy guards.
func (d *DB) requireGuarded(ctx context.Context, declared []schema.Table) error {
	unguarded, err := d.Unguarded(ctx, declared)
	if err == nil && len(unguarded) > 0 {
		err = fmt.Errorf("row-level security leaves no table out, but these have an organization_id or a user_id and no policy: %s; give them one, or move them to another schema", strings.Join(unguarded, ", "))
	}
	return err
}

// RowSecurityAsSet returns an error if the database differs from DATABASE_ROW_SECURITY.
func (d *DB) RowSecurityAsSet(ctx context.Context) error {
	if d.driver != Postgres {
		if d.options.RowSecurity {
			return errors.New("DATABASE_ROW_SECURITY is for PostgreSQL; SQLite has no row-level security")
		}
		return nil
	}
	r, err := d.RowSecurity(ctx)
	switch {
	case err != nil:
		return err
	case len(r.On) > 0 && len(r.Off) > 0:
		return fmt.Errorf("row-level security is on in the database, but not for %s: as the tables' owner run `guildhall row-security on`, or `off`", strings.Join(r.Off, ", "))
	case !d.options.RowSecurity && len(r.On) > 0:
		return errRowSecurityOn
	case d.options.RowSecurity && len(r.On) == 0:
		return errors.New("row-level security is off in the database: as the tables' owner run `guildhall row-security on`, or set DATABASE_ROW_SECURITY=false")
	}
	return nil
}

var errRowSecurityOn = errors.New("row-level security is on in the database: set DATABASE_ROW_SECURITY=true, or as the tables' owner run `guildhall row-security off`")

// refuseFiltered makes PostgreSQL refuse a query if a policy would hide rows from it. A
// connection that does not set the tenant runs this statement; otherwise a query would
// return as if the rows did not exist. It changes nothing while row-level security is
// off.
const refuseFiltered = "SELECT set_config('row_security', 'off', %t)" // mutant: filtered-rows

// wasFiltered reports whether PostgreSQL refused for that reason. It compares the name
// of the server's function, because the message may be in any language.
func wasFiltered(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501" && pg.Routine == "check_enable_rls"
}

// CheckRowSecurity refuses a database that does not match the configuration: its
// policies are off or missing, or they don't apply to the role.
func (d *DB) CheckRowSecurity(ctx context.Context, declared []schema.Table) error {
	if err := d.RowSecurityAsSet(ctx); err != nil || !d.options.RowSecurity {
		return err
	}
	if err := d.requireGuarded(ctx, declared); err != nil {
		return err
	}
	var bypasses bool
	if err := d.Row(ctx, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&bypasses); err != nil {
		return fmt.Errorf("read the role's attributes: %w", err)
	}
	if bypasses {
		return errors.New("DATABASE_ROW_SECURITY is on, but the role in DATABASE_URL is a superuser or has BYPASSRLS: connect as one that is not")
	}
	return nil
}
