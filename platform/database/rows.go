package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// IsNotFound says whether a query for one row found none.
func IsNotFound(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, gorm.ErrRecordNotFound)
}

// Row is the answer to a query for one row.
type Row struct{ query *gorm.DB }

// Row asks for one row, in the transaction of the context if there is one. It
// stands in for gorm's, which panics where a statement can't be prepared.
func (d *DB) Row(ctx context.Context, query string, args ...any) Row {
	return row(d.Conn(ctx), query, args...)
}

func row(conn *gorm.DB, query string, args ...any) Row { return Row{conn.Raw(query, args...)} }

// Scan reads the row; where there is none, IsNotFound knows the error.
func (r Row) Scan(into ...any) error {
	rows, err := r.query.Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Close()
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

// Count runs a query for one number.
func Count(conn *gorm.DB, query string, args ...any) (*int64, error) {
	var n int64
	if err := row(conn, query, args...).Scan(&n); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return &n, nil
}
