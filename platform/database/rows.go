package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// IsNotFound reports whether a query for one row found none.
func IsNotFound(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, gorm.ErrRecordNotFound)
}

// Hand-written SQL bypasses gorm, whose query builder takes longer than the query. It
// runs in the transaction of the context or, outside of one, on a connection for reads.
// Its parameters are ?, and no other ? may occur in it.

// Row is the result of a query for one row.
type Row struct {
	rows *sql.Rows
	err  error
}

// Row queries one row. The query must be fast: on SQLite it does not end with its
// context.
func (d *DB) Row(ctx context.Context, query string, args ...any) Row {
	rows, err := d.query(d.dialect.quick(ctx), query, args) //nolint:rowserrcheck,sqlclosecheck // by Scan
	return Row{rows: rows, err: err}
}

// Scan reads the row. If no row was found, IsNotFound recognises the error.
func (r Row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	return r.rows.Close()
}

// Rows queries a page of rows, for Collect. The query must be fast, as for Row.
func (d *DB) Rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return d.query(d.dialect.quick(ctx), query, args)
}

// WriteRow runs a statement that writes at most one row and returns it. It runs in the
// transaction of the context, or in one of its own, and then scans the row after the
// commit. If no row was written, IsNotFound recognises the error.
func (d *DB) WriteRow(ctx context.Context, into []any, statement string, args ...any) error {
	if d.current(ctx) != nil {
		return d.Row(ctx, statement, args...).Scan(into...)
	}
	if d.driver == SQLite || d.options.RowSecurity { // for group commit; or to set the tenant
		return d.InTx(ctx, func(ctx context.Context) error { return d.Row(ctx, statement, args...).Scan(into...) })
	}
	return retrying(ctx, txAttempts, func() error {
		ctx, ended := d.observed(ctx)
		began := time.Now()
		text, args := d.dialect.bind(statement, args)
		rows, err := d.writePool.QueryContext(ctx, text, args...) //nolint:rowserrcheck,sqlclosecheck // by Scan
		d.log.tell(ctx, began, text, err)
		err = d.translated((Row{rows: rows, err: err}).Scan(into...))
		ended(err)
		d.noteWrite(err)
		if isStale(err) {
			d.reconnect()
		}
		return err
	})
}

// Count runs a query that returns one number.
func (d *DB) Count(ctx context.Context, query string, args ...any) (*int64, error) {
	var n int64
	rows, err := d.query(ctx, query, args) //nolint:rowserrcheck,sqlclosecheck // by Scan
	if err := (Row{rows: rows, err: err}).Scan(&n); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return &n, nil
}

// Exec runs a statement that writes, in the transaction of the context, and returns how
// many rows it changed.
func (d *DB) Exec(ctx context.Context, statement string, args ...any) (changed int64, err error) {
	began := time.Now()
	text, args := d.dialect.bind(statement, args)
	result, err := d.pool(ctx).ExecContext(d.dialect.quick(ctx), text, args...)
	d.log.tell(ctx, began, text, err)
	if err != nil {
		return 0, d.translated(err)
	}
	return result.RowsAffected()
}

func (d *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if err := d.refuseReplaced(); err != nil {
		return nil, err
	}
	began := time.Now()
	text, args := d.dialect.bind(query, args)
	rows, err := d.pool(ctx).QueryContext(ctx, text, args...)
	d.log.tell(ctx, began, text, err)
	if isStale(err) {
		d.reconnect()
	}
	if err != nil {
		return nil, d.translated(err)
	}
	return rows, nil
}

func (d *DB) pool(ctx context.Context) gorm.ConnPool {
	if t := d.current(ctx); t != nil {
		return t.conn.Statement.ConnPool
	}
	return d.reader.ConnPool
}

// translated converts constraint violations of both databases to the same errors, as
// gorm does.
func (d *DB) translated(err error) error {
	if err == nil {
		return nil
	}
	if t, ok := d.writer.Dialector.(gorm.ErrorTranslator); ok {
		return t.Translate(err)
	}
	return err
}

// Collect scans every row and closes the rows. Without an error it never returns nil,
// so that an empty list is written as [].
func Collect[T any](rows *sql.Rows, one func(scan func(...any) error) (T, error)) ([]T, error) {
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		item, err := one(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

// InUTC returns the time of a column, in UTC, or nil if the column has none.
func InUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
