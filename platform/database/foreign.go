package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"guildhall/platform/databaseurl"
)

// Foreign is the database of another program, as of one moment. Nothing can be written to
// it.
type Foreign struct {
	Driver Driver
	pool   *sql.DB
	tx     *sql.Tx
}

// foreignTimeout is how long connecting to a server may take.
const foreignTimeout = 10 * time.Second

// OpenForeign opens the database of another program. The program may be running. No error
// contains a password.
func OpenForeign(ctx context.Context, u databaseurl.URL) (*Foreign, error) {
	f := &Foreign{Driver: Postgres}
	options := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	if u.IsSQLite() {
		f.Driver = SQLite
		options = nil // a transaction of SQLite always sees one moment
		if _, err := os.Stat(u.File()); err != nil {
			return nil, err
		}
		if err := requireSQLite(u.File()); err != nil {
			return nil, err
		}
		pool, err := sql.Open("sqlite3", databaseurl.DSN(u.File(), "mode=ro&_query_only=on&_busy_timeout=5000"))
		if err != nil {
			return nil, err
		}
		f.pool = pool
	} else {
		config, err := pgx.ParseConfig(u.Reveal())
		if err != nil {
			return nil, fmt.Errorf("it is not a PostgreSQL URL: %w", withoutURL(err, u))
		}
		if config.ConnectTimeout == 0 {
			config.ConnectTimeout = foreignTimeout
		}
		config.RuntimeParams["timezone"] = "UTC"
		config.RuntimeParams["client_encoding"] = "UTF8"
		config.RuntimeParams["application_name"] = "guildhall import"
		f.pool = stdlib.OpenDB(*config)
	}
	tx, err := f.pool.BeginTx(ctx, options)
	if err == nil {
		f.tx = tx
		if f.Driver == Postgres {
			// A query of a table whose rows a policy may hide fails instead of leaving some out.
			_, err = tx.ExecContext(ctx, "SET LOCAL row_security = off")
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, "SELECT 1") // the first query sets the moment
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, withoutURL(err, u)
	}
	return f, nil
}

// Close ends the transaction and the connection.
func (f *Foreign) Close() error {
	var err error
	if f.tx != nil {
		err = f.tx.Rollback()
	}
	return errors.Join(err, f.pool.Close())
}

// Columns returns the names of the columns of a table: none if there is no such table. On
// PostgreSQL the schema must be named, too.
func (f *Foreign) Columns(ctx context.Context, schema, table string) (map[string]bool, error) {
	query, args := "SELECT name FROM pragma_table_info(?)", []any{table}
	if f.Driver == Postgres {
		query, args = "SELECT column_name::text AS name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2", []any{schema, table}
	}
	columns := map[string]bool{}
	err := f.Each(ctx, query, args, func(row map[string]any) error {
		columns[row["name"].(string)] = true
		return nil
	})
	return columns, err
}

// Each passes every row of a query: values by the names of their columns. The parameters
// have the form of the database.
func (f *Foreign) Each(ctx context.Context, query string, args []any, take func(row map[string]any) error) error {
	rows, err := f.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make(map[string]any, len(names))
		for i, name := range names {
			row[name] = values[i]
		}
		if err := take(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
