package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Bulk fills a database that nothing else uses. It has a connection of its own and, on
// SQLite, does not check foreign keys.
type Bulk struct {
	db   *DB
	conn *sql.Conn
	tx   *sql.Tx // while InTx runs
}

// Bulk calls fn with the connection. Until FinishCopy, the database is marked as half
// copied.
func (d *DB) Bulk(ctx context.Context, fn func(context.Context, *Bulk) error) (err error) {
	ctx = ForAll(ctx)
	conn, err := d.writePool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to fill the database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if d.driver == SQLite {
		if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = off"); err != nil {
			return err
		}
		defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = on") }()
	}
	return fn(ctx, &Bulk{db: d, conn: conn})
}

// InTx runs fn in a transaction of that connection.
func (b *Bulk) InTx(ctx context.Context, fn func(context.Context) error) error {
	tx, err := b.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	b.tx = tx
	defer func() { b.tx = nil; _ = tx.Rollback() }() // no effect once committed
	if b.db.driver == Postgres {
		if _, err := tx.ExecContext(ctx, unhurried); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if _, err := tx.ExecContext(ctx, tenantSettings(ctx)+", set_config('guildhall.copying', 'on', true)"); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	if err := fn(ctx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return b.db.InPlace()
}

// Insert adds rows. Their values have the types that EachRow passes on.
func (b *Bulk) Insert(ctx context.Context, t Table, rows [][]any) error {
	var err error
	if b.db.driver == Postgres {
		err = b.copyFrom(ctx, t, rows)
	} else {
		err = insertValues(ctx, b.tx, t, rows, "")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	return nil
}

func (b *Bulk) copyFrom(ctx context.Context, t Table, rows [][]any) error {
	next := 0
	source := pgx.CopyFromFunc(func() ([]any, error) {
		if next == len(rows) {
			return nil, nil
		}
		row := slices.Clone(rows[next])
		next++
		for i, c := range t.Columns {
			if text, ok := row[i].(string); ok && c.uuid {
				id, err := uuid.Parse(text)
				if err != nil {
					return nil, fmt.Errorf("%s.%s holds %q, which is not a UUID", t.Name, c.Name, text)
				}
				row[i] = id
			}
		}
		return row, nil
	})
	return b.conn.Raw(func(driverConn any) error {
		conn, err := pgxConn(driverConn)
		if err != nil {
			return err
		}
		_, err = conn.CopyFrom(ctx, pgx.Identifier{t.Name}, t.ColumnNames(), source)
		return err
	})
}

func pgxConn(driverConn any) (*pgx.Conn, error) {
	switch c := driverConn.(type) {
	case *stdlib.Conn:
		return c.Conn(), nil
	case *guardedConn:
		return c.Conn.Conn(), nil
	case *pipelineConn:
		return c.pgx(), nil
	default:
		return nil, fmt.Errorf("database: %T is not pgx's connection", driverConn)
	}
}

// Range returns the rows whose keys are greater than after and, unless until is nil, at
// most until.
func (b *Bulk) Range(ctx context.Context, t Table, after, until []any) (found [][]any, err error) {
	where, args := b.db.between(t, after, until)
	query := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s", b.db.selected(t), t.Name, where, b.db.ordered(t)) //nolint:gosec // names of the schema
	query, args = b.db.dialect.bind(query, args)
	rows, err := b.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Name, err)
	}
	err = eachRow(rows, t, func(row []any) error { found = append(found, row); return nil })
	return found, err
}

// DeleteRange deletes the rows that Range returns.
func (b *Bulk) DeleteRange(ctx context.Context, t Table, after, until []any) error {
	where, args := b.db.between(t, after, until)
	statement, args := b.db.dialect.bind("DELETE FROM "+t.Name+where, args)
	if _, err := b.tx.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("delete a range of %s: %w", t.Name, err)
	}
	return nil
}

func (d *DB) between(t Table, after, until []any) (where string, args []any) {
	var conditions []string
	key := tuple(d.keyColumns(t))
	if after != nil {
		conditions, args = append(conditions, key+" > "+places(len(after))), append(args, after...)
	}
	if until != nil {
		conditions, args = append(conditions, key+" <= "+places(len(until))), append(args, until...)
	}
	if conditions != nil {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	return where, args
}
