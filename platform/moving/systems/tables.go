package systems

import (
	"context"
	"fmt"
	"strings"

	"guildhall/platform/database"
)

// columnsOf returns the columns of a table of the database, which are none if there is no
// such table. On PostgreSQL it is a table of the current schema.
func columnsOf(ctx context.Context, db *database.Foreign, table string) (map[string]bool, error) {
	schema := ""
	if db.Driver == database.Postgres {
		err := db.Each(ctx, "SELECT current_schema()::text AS name", nil, func(row map[string]any) error {
			schema = record(row).text("name")
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return db.Columns(ctx, schema, table)
}

// usersOf is columnsOf for the table of a system's people, which must have these columns.
func usersOf(ctx context.Context, db *database.Foreign, table string, required ...string) (map[string]bool, error) {
	columns, err := columnsOf(ctx, db, table)
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("it has no table %s", table)
	}
	for _, name := range required {
		if !columns[name] {
			return nil, fmt.Errorf("its table %s has no column %s", table, name)
		}
	}
	return columns, nil
}

// existing returns those of the names that are columns, as a SELECT lists them.
func existing(columns map[string]bool, alias string, names ...string) string {
	var list []string
	for _, name := range names {
		if columns[name] {
			list = append(list, alias+"."+name)
		}
	}
	return strings.Join(list, ", ")
}

// without returns a condition: the columns that exist of these are null.
func without(columns map[string]bool, alias string, names ...string) string {
	condition := "TRUE"
	for _, name := range names {
		if columns[name] {
			condition += " AND " + alias + "." + name + " IS NULL"
		}
	}
	return condition
}

// gathered returns an aggregate: the rows of a group as a JSON array of objects, in a text.
// Each column is a member of the same name. The first one is their order: an import has to
// read the same each time.
func gathered(d database.Driver, columns ...string) string {
	var pairs []string
	for _, name := range columns {
		pairs = append(pairs, "'"+name+"', "+name)
	}
	object := "(" + strings.Join(pairs, ", ") + ") ORDER BY " + columns[0] + ")"
	if d == database.Postgres {
		return "json_agg(json_build_object" + object + "::text"
	}
	return "json_group_array(json_object" + object
}

// quoted returns a name of a table or a column for a statement.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// allRows returns an error if row-level security applies to what is read of a table of
// PostgreSQL. It would hide rows without a word.
func allRows(ctx context.Context, db *database.Foreign, table string) error {
	return db.Each(ctx, "SELECT row_security_active($1::text) AS active", []any{table}, func(values map[string]any) error {
		if record(values).is("active") {
			return fmt.Errorf("row-level security may hide rows of %s from this user of the database: connect as its owner, or as a user with BYPASSRLS", table)
		}
		return nil
	})
}
