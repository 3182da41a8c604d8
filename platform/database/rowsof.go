package database

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CountRows returns the number of rows of a table.
func (d *DB) CountRows(ctx context.Context, table string) (int64, error) {
	n, err := d.Count(ctx, "SELECT COUNT(*) FROM "+table)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", table, err)
	}
	return *n, nil
}

// EachRow passes on every row of a table, one at a time, if inOrder in the order of the
// key. The values are nil, string, int64, bool or time.Time in UTC, the same on both
// databases.
func (d *DB) EachRow(ctx context.Context, t Table, inOrder bool, take func(row []any) error) error {
	query := fmt.Sprintf("SELECT %s FROM %s", d.selected(t), t.Name)
	if inOrder {
		query += " ORDER BY " + d.ordered(t)
	}
	rows, err := d.Conn(ctx).Raw(query).Rows()
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	return eachRow(rows, t, take)
}

// SomeRows passes on the rows of a table that satisfy a condition, in the order of the key and
// at most so many, as EachRow does.
func (d *DB) SomeRows(ctx context.Context, t Table, where string, args []any, most int, take func(row []any) error) error {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d", d.selected(t), t.Name, where, strings.Join(t.Key, ", "), most)
	rows, err := d.Conn(ctx).Raw(query, args...).Rows()
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	return eachRow(rows, t, take)
}

// selected returns the columns of a SELECT. It reads times from SQLite as text: the
// driver would return the year 1 for a time that it can't parse.
func (d *DB) selected(t Table) string {
	names := t.ColumnNames()
	if d.driver == SQLite {
		for i, c := range t.Columns {
			if c.Kind == Time {
				names[i] = "CAST(" + c.Name + " AS TEXT)"
			}
		}
	}
	return strings.Join(names, ", ")
}

// ordered returns the columns of an ORDER BY that compares bytes on both databases,
// regardless of PostgreSQL's locale.
func (d *DB) ordered(t Table) string { return strings.Join(d.keyColumns(t), ", ") }

func (d *DB) keyColumns(t Table) []string {
	names := slices.Clone(t.Key)
	if d.driver == SQLite {
		return names
	}
	for i, at := range t.keyIndexes() {
		if c := t.Columns[at]; c.Kind == Text && !c.uuid {
			names[i] += ` COLLATE "C"`
		}
	}
	return names
}

func eachRow(rows *sql.Rows, t Table, take func(row []any) error) error {
	defer rows.Close()
	into := make([]any, len(t.Columns))
	for rows.Next() {
		row := make([]any, len(t.Columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		for i, c := range t.Columns {
			v, ok := plain(c.Kind, row[i])
			if !ok {
				return fmt.Errorf("%s.%s holds %v, which is not a %s: the row with the key %v", t.Name, c.Name, row[i], c.Kind, t.KeyOf(row))
			}
			row[i] = v
		}
		if err := take(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	return rows.Close()
}

// sqliteTime is the format in which the driver writes times.
const sqliteTime = "2006-01-02 15:04:05.999999999-07:00"

// plain converts a value to the type that is the same for every driver. It returns
// false if the value does not have the column's kind.
func plain(kind Kind, v any) (any, bool) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch x := v.(type) {
	case nil:
		return nil, true
	case string:
		if kind != Time {
			return x, kind == Text
		}
		at, err := time.Parse(sqliteTime, x)
		return at.UTC().Truncate(time.Microsecond), err == nil
	case time.Time:
		return x.UTC().Truncate(time.Microsecond), kind == Time
	case int64:
		if kind == Boolean {
			return x != 0, x == 0 || x == 1
		}
		return x, kind == Integer
	case bool:
		return x, kind == Boolean
	default:
		return nil, false
	}
}
