package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// IsNotFound says whether a query for one row found none.
func IsNotFound(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, gorm.ErrRecordNotFound)
}

// SQL that is written by hand goes past gorm, whose builder takes longer than the
// query, to the transaction of the context or, outside of one, to a connection to
// read with. Its parameters are ?, in a list of no others.

// Row is the answer to a query for one row.
type Row struct {
	rows *sql.Rows
	err  error
}

// Row asks for one row, which must be quick to find: on SQLite it does not end
// with its context.
func (d *DB) Row(ctx context.Context, query string, args ...any) Row {
	rows, err := d.query(d.dialect.quick(ctx), query, args) //nolint:rowserrcheck,sqlclosecheck // by Scan
	return Row{rows: rows, err: err}
}

// Scan reads the row; where there is none, IsNotFound knows the error.
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

// Rows asks for a page of rows, for Collect. What is said of Row holds.
func (d *DB) Rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return d.query(d.dialect.quick(ctx), query, args)
}

// WriteRow runs a statement that writes at most one row and returns it, in the
// transaction of the context or as a transaction of its own: the row is scanned
// when that has been committed. Where there is none, IsNotFound knows the error.
func (d *DB) WriteRow(ctx context.Context, into []any, statement string, args ...any) error {
	if d.current(ctx) != nil {
		return d.Row(ctx, statement, args...).Scan(into...)
	}
	if d.driver == SQLite || d.options.RowSecurity { // for group commit; to be told the tenant
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

// Count runs a query for one number.
func (d *DB) Count(ctx context.Context, query string, args ...any) (*int64, error) {
	var n int64
	rows, err := d.query(ctx, query, args) //nolint:rowserrcheck,sqlclosecheck // by Scan
	if err := (Row{rows: rows, err: err}).Scan(&n); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return &n, nil
}

// Exec writes, in the transaction of the context, and says how many rows it
// changed.
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

// translated makes what the constraints refuse the same on both, as gorm does.
func (d *DB) translated(err error) error {
	if err == nil {
		return nil
	}
	if t, ok := d.writer.Dialector.(gorm.ErrorTranslator); ok {
		return t.Translate(err)
	}
	return err
}

// Collect scans every row and closes the rows. It never returns nil without an
// error, so that an empty list is written as [].
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
