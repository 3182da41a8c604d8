package database

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// batchRows implements driver.Rows for the last statement of a batch.
type batchRows struct {
	rows    pgx.Rows
	results pgx.BatchResults
	ahead   bool // the current row has already been read
}

// newBatchRows reads the first row at once, so that a query that fails returns an error
// instead of rows.
func newBatchRows(results pgx.BatchResults) (driver.Rows, error) {
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	r := &batchRows{rows: rows, results: results}
	r.ahead = rows.Next()
	if err := rows.Err(); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

func (r *batchRows) Columns() []string {
	fields := r.rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func (r *batchRows) Close() error {
	r.rows.Close()
	return errors.Join(r.rows.Err(), r.results.Close())
}

func (r *batchRows) Next(into []driver.Value) error {
	if !r.ahead && !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	r.ahead = false
	values, err := r.rows.Values()
	if err != nil {
		return err
	}
	for i, v := range values {
		if into[i], err = asDriverValue(v); err != nil {
			return fmt.Errorf("column %s: %w", r.rows.FieldDescriptions()[i].Name, err)
		}
	}
	return nil
}

// asDriverValue converts a value of pgx's to one of the types that database/sql knows,
// in the same way as pgx's own driver.
func asDriverValue(value any) (driver.Value, error) {
	switch v := value.(type) {
	case nil, int64, float64, bool, []byte, string:
		return v, nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case [16]byte:
		return uuid.UUID(v).String(), nil
	case driver.Valuer:
		return v.Value()
	}
	if driver.IsValue(value) { // a time
		return value, nil
	}
	return nil, fmt.Errorf("database: can't read a %T in a pipeline", value)
}
