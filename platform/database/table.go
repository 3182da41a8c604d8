package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Kind is the type of a column, as far as both databases distinguish it.
type Kind string

const (
	Text    Kind = "text" // also UUIDs: SQLite has no type for them
	Integer Kind = "bigint"
	Boolean Kind = "boolean"
	Time    Kind = "timestamptz"
)

// Column is a column of a Table.
type Column struct {
	Name string
	Kind Kind
	uuid bool // whether the type is PostgreSQL's uuid
}

// Table describes a table, as far as copying its rows needs it.
type Table struct {
	Name    string
	Columns []Column
	Key     []string // the columns of the primary key
}

// ColumnNames returns the names of the columns, in the order of the table.
func (t Table) ColumnNames() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Only returns the table with only the named columns, in this order. It refuses a name
// that is not a column.
func (t Table) Only(names ...string) (Table, error) {
	columns := make([]Column, len(names))
	for i, name := range names {
		at := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
		if at < 0 {
			return Table{}, fmt.Errorf("table %q has no column %s", t.Name, name)
		}
		columns[i] = t.Columns[at]
	}
	t.Columns = columns
	return t, nil
}

// keyIndexes returns the positions of the key's columns in a row.
func (t Table) keyIndexes() []int {
	at := make([]int, len(t.Key))
	for i, name := range t.Key {
		at[i] = slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	}
	return at
}

// KeyOf returns the primary key of a row.
func (t Table) KeyOf(row []any) []any {
	var key []any
	for _, i := range t.keyIndexes() {
		if i >= 0 { // the row may be without it
			key = append(key, row[i])
		}
	}
	return key
}

// Difference describes how another table of the same name differs, or returns an empty
// string. The order of the columns and the choice of the key may differ.
func (t Table) Difference(other Table) string {
	kinds := map[string]Kind{}
	for _, c := range other.Columns {
		kinds[c.Name] = c.Kind
	}
	for _, c := range t.Columns {
		kind, there := kinds[c.Name]
		if !there {
			return "column " + c.Name + " exists in only one of the two"
		}
		if kind != c.Kind {
			return fmt.Sprintf("column %s is %s and %s", c.Name, c.Kind, kind)
		}
		delete(kinds, c.Name)
	}
	for name := range kinds {
		return "column " + name + " exists in only one of the two"
	}
	return ""
}

const sqliteColumns = `SELECT m.name, c.name, lower(c.type), c.pk FROM sqlite_schema m JOIN pragma_table_info(m.name) c
	WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT IN ` + litestreamTables + ` ORDER BY m.name, c.cid`

// litestreamTables are the tables in which Litestream keeps its position in a file that
// it replicates. They are not part of the schema, but a trigger on one would be.
const litestreamTables = `('_litestream_seq', '_litestream_lock')`

const postgresColumns = `SELECT c.relname, a.attname, format_type(a.atttypid, NULL), COALESCE(array_position(i.indkey::int2[], a.attnum), -1) + 1
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
	WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum`

// Tables describes every table of the schema by name, except for the table of
// migrations. On PostgreSQL, other applications' tables may be among them.
func (d *DB) Tables(ctx context.Context) (map[string]Table, error) {
	rows, err := d.reader.WithContext(ctx).Raw(d.syntax.columns).Rows()
	if err != nil {
		return nil, fmt.Errorf("describe the tables: %w", err)
	}
	type described struct {
		table, column, kind string
		key                 int
	}
	all, err := Collect(rows, func(scan func(...any) error) (c described, err error) {
		return c, scan(&c.table, &c.column, &c.kind, &c.key)
	})
	if err != nil {
		return nil, fmt.Errorf("describe the tables: %w", err)
	}
	tables, keys := map[string]Table{}, map[string]map[int]string{}
	for _, c := range all {
		if c.table == MigrationTable || c.table == copyTable || c.table == digestTable {
			continue
		}
		t := tables[c.table]
		t.Name = c.table
		t.Columns = append(t.Columns, Column{Name: c.column, Kind: kindOf(c.kind), uuid: c.kind == "uuid"})
		tables[c.table] = t
		if keys[c.table] == nil {
			keys[c.table] = map[int]string{}
		}
		if c.key > 0 {
			keys[c.table][c.key] = c.column
		}
	}
	for name, t := range tables {
		for i := 1; i <= len(keys[name]); i++ {
			t.Key = append(t.Key, keys[name][i])
		}
		tables[name] = t
	}
	return tables, nil
}

func kindOf(declared string) Kind {
	switch declared {
	case "datetime", "timestamp with time zone":
		return Time
	case "bigint", "integer", "smallint":
		return Integer
	case "boolean":
		return Boolean
	default:
		return Text
	}
}

// tuple returns names as an SQL row value: (a, b).
func tuple(names []string) string { return "(" + strings.Join(names, ", ") + ")" }

// places returns n placeholders as an SQL row value.
func places(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }

// On returns the table as the other database has it, with this one's order of columns.
func (t Table) On(other Table) Table {
	t.Columns = slices.Clone(t.Columns)
	for i, c := range t.Columns {
		at := slices.IndexFunc(other.Columns, func(o Column) bool { return o.Name == c.Name })
		t.Columns[i].uuid = c.uuid || other.Columns[at].uuid
	}
	return t
}
