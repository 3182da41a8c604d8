package integrity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/schema"
)

const (
	damaged    = "stop the service, keep the file, restore the last backup into another place, and check the disk"
	wentAround = "the schema forbids this, so a person or a program bypassed it: find out which, and repair the rows by hand or restore a backup"
	rewritten  = "the database was changed by hand, or a disk is faulty: compare with a backup; the audit log can't be repaired"
)

// derived returns the invariants that the database's schema implies.
func derived(ctx context.Context, db *database.DB) (all []schema.Invariant, err error) {
	if db.Driver() == database.SQLite {
		// This comes first, because nothing in a damaged file can be relied on.
		all = append(all, schema.Invariant{
			Name: "the file is damaged", Remedy: damaged,
			Query: "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
		})
	}
	tables, err := db.Tables(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := db.ForeignKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if _, there := tables[k.Parent]; there {
			all = append(all, orphans(k))
		}
	}
	if db.Driver() == database.SQLite {
		all = append(all, kinds(tables)...)
	}
	return all, nil
}

// orphans finds rows whose foreign key refers to no row.
func orphans(k database.ForeignKey) schema.Invariant {
	var same, given []string
	for i, column := range k.Columns {
		same = append(same, fmt.Sprintf("p.%s = c.%s", k.ParentColumns[i], column))
		given = append(given, fmt.Sprintf("c.%s IS NOT NULL", column))
	}
	return schema.Invariant{
		Name: fmt.Sprintf("I11 %s of %s is in %s", strings.Join(k.Columns, ", "), k.Table, k.Parent),
		Query: fmt.Sprintf("SELECT c.%s FROM %s c LEFT JOIN %s p ON %s WHERE %s AND p.%s IS NULL",
			k.Columns[len(k.Columns)-1], k.Table, k.Parent, strings.Join(same, " AND "), strings.Join(given, " AND "), k.ParentColumns[0]),
	}
}

// aTime is the pattern of times in SQLite. PostgreSQL would not accept any other.
const aTime = "'[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]*[+-][0-9][0-9]:[0-9][0-9]'"

// kinds finds rows in SQLite with a value that does not have its column's type. SQLite
// accepts any value, but PostgreSQL would not.
func kinds(tables map[string]database.Table) (checks []schema.Invariant) {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		var wrong []string
		for _, c := range tables[name].Columns {
			not := map[database.Kind]string{
				database.Time:    fmt.Sprintf("typeof(%[1]s) <> 'text' OR %[1]s NOT GLOB %[2]s", c.Name, aTime),
				database.Integer: fmt.Sprintf("typeof(%s) <> 'integer'", c.Name),
				database.Boolean: fmt.Sprintf("%s NOT IN (0, 1)", c.Name),
				database.Text:    fmt.Sprintf("typeof(%s) <> 'text'", c.Name),
			}[c.Kind]
			wrong = append(wrong, fmt.Sprintf("%s IS NOT NULL AND (%s)", c.Name, not))
		}
		row := "rowid" // the table may not be ours
		if key := tables[name].Key; len(key) > 0 {
			row = key[0]
		}
		checks = append(checks, schema.Invariant{
			Name:  "values in " + name + " do not have the type of their column, in the row",
			Query: fmt.Sprintf("SELECT CAST(%s AS text) FROM %s WHERE %s", row, name, strings.Join(wrong, " OR ")),
		})
	}
	return checks
}
