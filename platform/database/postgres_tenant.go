package database

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// Tenant is whose rows a statement may access if PostgreSQL's row-level security is on
// (DATABASE_ROW_SECURITY): those of one organization, those of one person in any
// organization, or all. Without row-level security it has no effect.
//
// It is the second line of defense. The first is the conditions of the statements
// themselves. A statement that omits them finds no rows of another tenant.
type Tenant struct {
	OrganizationID uuid.NullUUID
	UserID         uuid.UUID
	All            bool // for the operator's commands, and for the gate's own queries
}

type tenantKey struct{}

// For returns a context whose statements access the rows of t. Without it, they see no
// rows of any organization.
func For(ctx context.Context, t Tenant) context.Context {
	return context.WithValue(ctx, tenantKey{}, t)
}

// ForAll is For with every tenant.
func ForAll(ctx context.Context) context.Context { return For(ctx, Tenant{All: true}) }

// settings returns the statement that sets the tenant in PostgreSQL until the
// transaction ends. For that time it also lets policies filter rows, in case the
// connection has been set to refuse that (refuseFiltered). A UUID needs no quoting.
func (t Tenant) settings() string {
	scope, organization, user := "", "", ""
	if t.All {
		scope = "all"
	}
	if t.OrganizationID.Valid {
		organization = t.OrganizationID.UUID.String()
	}
	if t.UserID != uuid.Nil {
		user = t.UserID.String()
	}
	return fmt.Sprintf("SELECT set_config('guildhall.scope', '%s', true), set_config('guildhall.organization_id', '%s', true), set_config('guildhall.user_id', '%s', true), set_config('row_security', 'on', true)",
		scope, organization, user)
}

// These are the values that a policy may compare with.
const (
	tenantAll          = "current_setting('guildhall.scope', true) = 'all'"
	TenantOrganization = "NULLIF(current_setting('guildhall.organization_id', true), '')::uuid"
	TenantUser         = "NULLIF(current_setting('guildhall.user_id', true), '')::uuid"
)

// TenantPolicy returns the statements that create a table's policies. A tenant may read
// and write the rows for which own holds, and read those for which one of alsoRead
// holds. The policies have no effect until row-level security is turned on. SQLite has
// no policies.
func TenantPolicy(driver Driver, table, own string, alsoRead ...string) []string {
	if driver != Postgres {
		return nil
	}
	statements := []string{fmt.Sprintf("CREATE POLICY tenant ON %s USING (%s OR %s)", table, tenantAll, own)}
	if len(alsoRead) > 0 {
		statements = append(statements, fmt.Sprintf("CREATE POLICY tenant_reads ON %s FOR SELECT USING (%s)", table, strings.Join(alsoRead, " OR ")))
	}
	return statements
}

// DropTenantPolicy undoes TenantPolicy.
func DropTenantPolicy(driver Driver, table string) []string {
	if driver != Postgres {
		return nil
	}
	return []string{"DROP POLICY tenant ON " + table, "DROP POLICY IF EXISTS tenant_reads ON " + table}
}

// guardedConnector creates connections that set the tenant of each statement's context
// in PostgreSQL before the statement runs.
type guardedConnector struct{ driver.Connector }

func (c guardedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := connectPlain(ctx, c.Connector)
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: plain}, nil
}

type guardedConn struct {
	*stdlib.Conn
	inTx bool
	told string // the settings of the transaction that runs
}

func tenantSettings(ctx context.Context) string {
	t, _ := ctx.Value(tenantKey{}).(Tenant)
	return t.settings()
}

// tellTenant sets the tenant on a connection that does not do so itself, because
// row-level security is not configured here. It may still be on in the database, and
// this asks for the rows that it shows.
func (d postgresDialect) tellTenant(ctx context.Context, tx *gorm.DB) error {
	if d.options.RowSecurity {
		return nil
	}
	return tx.Exec(tenantSettings(ctx)).Error
}

// send runs statements without parameters in one round trip.
func (g *guardedConn) send(ctx context.Context, statements string) error {
	_, err := g.Conn.Conn().PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// BeginTx begins a transaction. Its tenant is that of its statements.
func (g *guardedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := g.Conn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	g.inTx, g.told = true, ""
	return &guardedTx{tx, g}, nil
}

type guardedTx struct {
	driver.Tx
	conn *guardedConn
}

func (t *guardedTx) Commit() error { t.conn.inTx = false; return t.Tx.Commit() }

func (t *guardedTx) Rollback() error { t.conn.inTx = false; return t.Tx.Rollback() }

// tell sets the tenant in the current transaction, if it has changed.
func (g *guardedConn) tell(ctx context.Context) error {
	settings := tenantSettings(ctx)
	if settings == g.told { // mutant: statement-tenant
		return nil
	}
	g.told = settings
	return g.send(ctx, settings)
}

// QueryContext outside of a transaction runs the query in one of its own, which ends
// with the rows.
func (g *guardedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if g.inTx {
		if err := g.tell(ctx); err != nil {
			return nil, err
		}
		return g.Conn.QueryContext(ctx, query, args)
	}
	if err := g.send(ctx, "BEGIN READ ONLY; "+tenantSettings(ctx)); err != nil {
		return nil, err
	}
	rows, err := g.Conn.QueryContext(ctx, query, args)
	if err != nil {
		_ = g.send(context.WithoutCancel(ctx), "ROLLBACK")
		return nil, err
	}
	plain, ok := rows.(*stdlib.Rows)
	if !ok {
		return nil, fmt.Errorf("database: %T are not pgx's rows", rows)
	}
	return &guardedRows{plain, g}, nil
}

type guardedRows struct {
	*stdlib.Rows
	conn *guardedConn
}

func (r *guardedRows) Close() error {
	err := r.Rows.Close()
	if end := r.conn.send(context.Background(), "COMMIT"); err == nil {
		err = end
	}
	return err
}

// ExecContext outside of a transaction does the same.
func (g *guardedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if g.inTx {
		if err := g.tell(ctx); err != nil {
			return nil, err
		}
		return g.Conn.ExecContext(ctx, query, args)
	}
	if err := g.send(ctx, "BEGIN; "+tenantSettings(ctx)); err != nil {
		return nil, err
	}
	result, err := g.Conn.ExecContext(ctx, query, args)
	if err != nil {
		_ = g.send(context.WithoutCancel(ctx), "ROLLBACK")
		return nil, err
	}
	return result, g.send(ctx, "COMMIT")
}
