package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// InsertAll adds many rows of a table in the transaction of the context: on PostgreSQL in one
// statement, because COPY refuses tables with row-level security. The values are strings (also
// for UUIDs), int64, bool, time.Time, or nil.
func (d *DB) InsertAll(ctx context.Context, t Table, rows [][]any) error {
	return d.insertAll(ctx, t, rows, "")
}

// Upsert is InsertAll, but it replaces the given columns of rows that exist.
func (d *DB) Upsert(ctx context.Context, t Table, rows [][]any, columns ...string) error {
	changes := make([]string, len(columns))
	for i, c := range columns {
		changes[i] = c + " = excluded." + c
	}
	return d.insertAll(ctx, t, rows, " ON CONFLICT ("+strings.Join(t.Key, ", ")+") DO UPDATE SET "+strings.Join(changes, ", "))
}

func (d *DB) insertAll(ctx context.Context, t Table, rows [][]any, onConflict string) error {
	if len(rows) == 0 {
		return nil
	}
	var err error
	if d.driver == Postgres {
		err = d.insertArrays(ctx, t, rows, onConflict)
	} else {
		err = insertValues(ctx, d.pool(ctx), t, rows, onConflict)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, d.translated(err))
	}
	return nil
}

// rowsAtOnce is the number of rows in one INSERT on SQLite. More rows gain nothing.
const rowsAtOnce = 64

// insertValues inserts rowsAtOnce rows in each statement.
func insertValues(ctx context.Context, pool gorm.ConnPool, t Table, rows [][]any, onConflict string) error {
	one := places(len(t.Columns))
	statement := func(n int) string {
		return "INSERT INTO " + t.Name + " " + tuple(t.ColumnNames()) + " VALUES " + strings.TrimSuffix(strings.Repeat(one+", ", n), ", ") + onConflict
	}
	many, err := pool.PrepareContext(ctx, statement(rowsAtOnce)) //nolint:sqlclosecheck // below
	if err != nil {
		return err
	}
	defer func() { _ = many.Close() }()
	args := make([]any, 0, rowsAtOnce*len(t.Columns))
	for chunk := range slices.Chunk(rows, rowsAtOnce) {
		args = args[:0]
		for _, row := range chunk {
			args = append(args, row...)
		}
		if len(chunk) == rowsAtOnce {
			_, err = many.ExecContext(ctx, args...)
		} else {
			_, err = pool.ExecContext(ctx, statement(len(chunk)), args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insertArrays inserts all rows in one statement, with an array for each column.
func (d *DB) insertArrays(ctx context.Context, t Table, rows [][]any, onConflict string) error {
	arrays, args := make([]string, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		arrays[i], args[i] = fmt.Sprintf("$%d::%s[]", i+1, c.Kind), array(c.Kind, rows, i)
		if c.uuid {
			arrays[i] += "::uuid[]" // pgx writes no text as a binary UUID
		}
	}
	statement := "INSERT INTO " + t.Name + " " + tuple(t.ColumnNames()) + " SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ")" + onConflict
	_, err := d.pool(ctx).ExecContext(ctx, statement, args...)
	return err
}

// array returns one column of the rows.
func array(kind Kind, rows [][]any, column int) any {
	switch kind {
	case Integer:
		return columnOf[int64](rows, column)
	case Boolean:
		return columnOf[bool](rows, column)
	case Time:
		return columnOf[time.Time](rows, column)
	default:
		return columnOf[string](rows, column)
	}
}

func columnOf[T any](rows [][]any, column int) []*T {
	values := make([]*T, len(rows))
	for i, row := range rows {
		if v, ok := row[column].(T); ok {
			values[i] = &v
		}
	}
	return values
}

// Among returns a condition that a column is one of the values of its parameter: a text,
// a JSON array. It is for lists of any length.
func (d *DB) Among(column, sqlType string) string {
	if d.driver == SQLite {
		return column + " IN (SELECT value FROM json_each(?))"
	}
	return column + " = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(? AS jsonb))::" + sqlType + "))"
}

// EnlargeCache sets how much memory SQLite keeps pages in, for the connection that writes. With
// its usual 2 MB, a transaction that changes more pages writes each of them several times.
func (d *DB) EnlargeCache(ctx context.Context, bytes int) error {
	if d.driver != SQLite {
		return nil
	}
	return d.InBulk(ctx, func(ctx context.Context) error {
		_, err := d.pool(ctx).ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", bytes>>10))
		return err
	})
}
