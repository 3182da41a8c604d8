package database

import (
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// IsNotFound says whether a query for one row found none.
func IsNotFound(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, gorm.ErrRecordNotFound)
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
	if err := conn.Raw(query, args...).Row().Scan(&n); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return &n, nil
}
