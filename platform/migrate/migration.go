package migrate

import (
	"fmt"
	"regexp"
	"slices"

	"guildhall/platform/database"
)

// Migration is one step of a module's schema, shipped once and never changed.
//
// The statements are plain SQL with PostgreSQL's type names; for SQLite the
// kernel writes TEXT for uuid and DATETIME for timestamptz. Where the databases
// differ otherwise, the function looks at its argument. One statement each way:
// there are engines that undo no half of a migration (engine.MigratesInSteps).
type Migration struct {
	ID   string // YYYYMMDDhhmm_module_what; the order in which all modules' steps run
	Up   func(database.Driver) []string
	Down func(database.Driver) []string
}

// KeyedBy is a migration that puts the tenant in front of a table's key, which
// was its id alone: distributed engines keep rows together by their key, and
// Citus finds no unique key without the column that it distributes by. SQLite
// keeps the table as it is: it would have to copy it, and is never distributed.
//
// PostgreSQL builds the index under a lock on this one table.
func KeyedBy(id, table, column string) Migration {
	key := func(columns string) func(database.Driver) []string {
		return func(driver database.Driver) []string {
			if driver == database.SQLite {
				return nil
			}
			return []string{fmt.Sprintf("ALTER TABLE %[1]s DROP CONSTRAINT %[1]s_pkey, ADD CONSTRAINT %[1]s_pkey PRIMARY KEY (%[2]s)", table, columns)}
		}
	}
	return Migration{ID: id, Up: key(column + ", id"), Down: key("id")}
}

// Optional makes migrations that let a column refer to nobody. Neither database
// rewrites the table for it. The second is only a way back: before the column is
// required again it fills it with standIn, SQL over the row of the table.
func Optional(id, backID, table, column, references, standIn string) []Migration {
	alter := func(how string) string {
		return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s %s NOT NULL", table, column, how)
	}
	return []Migration{{
		ID: id,
		Up: func(database.Driver) []string { return []string{alter("DROP")} },
		Down: func(driver database.Driver) []string {
			if driver == database.Postgres {
				return []string{alter("SET")}
			}
			// SQLite writes it last. A schema is compared as text, so it goes back to
			// where it stood; it means the same there.
			return []string{
				alter("SET"),
				"PRAGMA writable_schema = ON",
				fmt.Sprintf("UPDATE sqlite_schema SET sql = replace(sql, '%[2]s TEXT REFERENCES %[3]s NOT NULL', '%[2]s TEXT NOT NULL REFERENCES %[3]s') WHERE name = '%[1]s'", table, column, references),
				"PRAGMA writable_schema = RESET",
			}
		},
	}, {
		ID: backID,
		Up: func(database.Driver) []string { return nil },
		Down: func(database.Driver) []string {
			return []string{fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[3]s WHERE %[2]s IS NULL", table, column, standIn)}
		},
	}}
}

var createsTable = regexp.MustCompile(`(?i)^\s*CREATE TABLE (\w+)`)

// TableNames are those that migrations make, by name.
func TableNames(migrations []Migration, driver database.Driver) []string {
	var names []string
	for _, m := range migrations {
		for _, s := range m.Up(driver) {
			if match := createsTable.FindStringSubmatch(s); match != nil && !slices.Contains(names, match[1]) {
				names = append(names, match[1])
			}
		}
	}
	slices.Sort(names)
	return names
}
