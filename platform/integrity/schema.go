package integrity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"guildhall/platform/database"
)

// CheckSchema says in what the schema of a SQLite database is not what migrations
// make: an index, a trigger or a table too many, too few or another.
func CheckSchema(ctx context.Context, db *database.DB, migrations []database.Migration) error {
	is, err := db.DumpSchema(ctx)
	if err != nil {
		return err
	}
	should, err := freshSchema(ctx, migrations)
	if err != nil {
		return fmt.Errorf("make a schema to compare with: %w", err)
	}
	if is == should {
		return nil
	}
	var differences []string
	for _, d := range []struct{ what, in, notIn string }{{"there is", is, should}, {"there is no", should, is}} {
		for statement := range strings.SplitSeq(d.in, ";\n") {
			if statement != "" && !strings.Contains(d.notIn, statement+";") {
				differences = append(differences, d.what+" "+firstLine(statement))
			}
		}
	}
	return fmt.Errorf("the schema is not what guildhall makes: %s", strings.Join(differences, "; "))
}

func firstLine(statement string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(statement), "\n")
	return line
}

func freshSchema(ctx context.Context, migrations []database.Migration) (schema string, err error) {
	dir, err := os.MkdirTemp("", "guildhall-schema-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := database.Open(ctx, database.Options{File: filepath.Join(dir, "fresh.db"), Create: true})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Migrate(ctx, migrations); err != nil {
		return "", err
	}
	return db.DumpSchema(ctx)
}

// aTime is how times stand in SQLite; others could not go to PostgreSQL.
const aTime = "'[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]*[+-][0-9][0-9]:[0-9][0-9]'"

// kinds finds rows in SQLite with a value of another kind than its column: the
// file takes anything, PostgreSQL would not.
func kinds(tables map[string]database.Table) (checks []invariant) {
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
		row := "rowid" // of a table that is none of ours
		if key := tables[name].Key; len(key) > 0 {
			row = key[0]
		}
		checks = append(checks, invariant{
			"values in " + name + " are of another kind than their column, in the row",
			fmt.Sprintf("SELECT CAST(%s AS text) FROM %s WHERE %s", row, name, strings.Join(wrong, " OR ")),
		})
	}
	return checks
}
