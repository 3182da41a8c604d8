package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"guildhall/platform/databaseurl"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

func (d postgresDialect) open() error {
	var err error
	if d.server, d.writePool, err = d.openPool(d.options.URL); err != nil {
		return fmt.Errorf("DATABASE_URL %w", err)
	}
	d.readPool = d.writePool
	if d.writer, err = d.openGorm(d.writePool); err != nil {
		return err
	}
	var reads readingPool = d.readPool
	if len(d.options.ReplicaURLs) > 0 {
		if d.standbys, err = d.openStandbys(d.options.ReplicaURLs); err != nil {
			return errors.Join(err, d.Close())
		}
		reads = d.standbys
	}
	d.reader, err = d.openGorm(retriedReads{reads})
	return err
}

func (d postgresDialect) check(ctx context.Context) error {
	err := d.checkPooling(ctx) // before any statement is prepared
	if err == nil {
		err = d.Ping(ctx)
	}
	switch {
	case err == nil:
		return d.recognise(ctx)
	case isRetryable(err) || errors.Is(err, errSharedConnections):
		return err
	}
	return d.server.explain(err)
}

func (d postgresDialect) close() (err error) {
	if d.standbys != nil {
		err = d.standbys.close()
	}
	return errors.Join(err, d.writePool.Close())
}

func (d postgresDialect) begin(ctx context.Context, t *transaction, fn func(context.Context) error) error {
	return d.separately(ctx, t, fn)
}

func (d postgresDialect) prepareSnapshot(ctx context.Context, tx *gorm.DB) error {
	if err := d.tellTenant(ctx, tx); err != nil {
		return err
	}
	return tx.Exec(unhurried).Error
}

// bind passes a UUID as bytes: pgx would write it as text and parse that again.
func (d postgresDialect) bind(text string, args []any) (string, []any) {
	text = d.numbered(text)
	if d.options.TransactionPooling {
		return text, args
	}
	for i, arg := range args {
		switch id := arg.(type) {
		case uuid.UUID:
			args[i] = [16]byte(id)
		case uuid.NullUUID:
			if args[i] = nil; id.Valid {
				args[i] = [16]byte(id.UUID)
			}
		}
	}
	return text, args
}

// numbered replaces the ? placeholders of a statement by $1, $2, ….
func (d postgresDialect) numbered(text string) string {
	if known, ok := d.texts.Load(text); ok {
		return known.(string)
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		if r == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(r)
	}
	d.texts.Store(text, b.String())
	return b.String()
}

func (postgresDialect) quick(ctx context.Context) context.Context { return ctx }

func (d postgresDialect) pools() []Pool {
	pools := []Pool{{"primary", d.writePool}}
	if d.standbys != nil {
		for _, one := range d.standbys.all {
			pools = append(pools, Pool{"standby " + one.server.address(), one.pool})
		}
	}
	return pools
}

// openPool creates a pool. It does not connect yet.
func (d *DB) openPool(u databaseurl.URL) (server, *sql.DB, error) {
	config, err := pgx.ParseConfig(u.Reveal())
	if err != nil {
		return server{}, nil, fmt.Errorf("is not a PostgreSQL URL: %w", withoutURL(err, u))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["client_encoding"] = "UTF8" // regardless of the role's or the database's setting
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "guildhall"
	}
	if d.options.TransactionPooling {
		poolTransactions(config)
	}
	pool := sql.OpenDB(d.connector(config))
	most := max(d.options.MaxConnections, 2)
	pool.SetMaxOpenConns(most)
	pool.SetMaxIdleConns(most)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	return server{config, most}, pool, nil
}

// connector returns a connector for one of three kinds of connections. With row-level
// security, they set the tenant between statements. Without it, PostgreSQL refuses a
// query on them if a policy would hide rows from it (refuseFiltered): this is set once
// per connection or, with a pooler in transaction mode, at the beginning of each
// transaction.
func (d *DB) connector(config *pgx.ConnConfig) driver.Connector {
	switch {
	case d.options.RowSecurity:
		return guardedConnector{stdlib.GetConnector(*config)}
	case d.options.TransactionPooling:
		return pipelineConnector{stdlib.GetConnector(*config), fmt.Sprintf(refuseFiltered, true)}
	default:
		refuse := stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(ctx, fmt.Sprintf(refuseFiltered, false)).ReadAll()
			return err
		})
		return pipelineConnector{stdlib.GetConnector(*config, refuse), ""}
	}
}

// connectPlain opens a connection of pgx's, for connectors that wrap it.
func connectPlain(ctx context.Context, connector driver.Connector) (*stdlib.Conn, error) {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	plain, ok := conn.(*stdlib.Conn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("database: %T is not pgx's connection", conn)
	}
	return plain, nil
}

func (d *DB) openGorm(pool gorm.ConnPool) (*gorm.DB, error) {
	conn, err := gorm.Open(gormPostgres{postgres.Dialector{Config: &postgres.Config{Conn: pool}}}, d.gormConfig())
	if err != nil {
		return nil, d.server.explain(err)
	}
	return conn, nil
}

// retriedReads is a pool for reads outside of transactions. They can fail because of
// concurrent transactions too: at SERIALIZABLE, on a standby, and on distributed
// engines. A read that fails before its first row is retried, as InTx retries
// transactions.
type retriedReads struct{ readingPool }

type readingPool interface {
	gorm.ConnPool
	gorm.TxBeginner
}

// QueryContext implements gorm.ConnPool.
func (p retriedReads) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = retrying(ctx, txAttempts, func() error {
		rows, err = p.readingPool.QueryContext(ctx, query, args...) //nolint:rowserrcheck,sqlclosecheck // by the reader of the rows
		return err
	})
	return rows, err
}

// reconnect closes idle connections, so that the next ones lead to the server that
// takes writes by then. Otherwise one request would fail for each of the old
// connections.
func (d *DB) reconnect() {
	d.writePool.SetMaxIdleConns(0)
	d.writePool.SetMaxIdleConns(max(d.options.MaxConnections, 2))
}
