package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"guildhall/platform/database"
)

// Migration is one step of a module's schema. It never changes after a release.
//
// The statements are plain SQL with PostgreSQL's type names. For SQLite the kernel
// writes TEXT for uuid and DATETIME for timestamptz. If the databases differ otherwise,
// the function checks its argument. Each direction should be one statement: some
// engines can't roll back half a migration (engine.MigratesInSteps).
type Migration struct {
	ID   string // YYYYMMDDhhmm_module_what; the order in which all modules' steps run
	Up   func(database.Driver) []string
	Down func(database.Driver) []string
}

// KeyedBy returns a migration that puts the tenant's column in front of a table's key,
// which was only its id. Distributed engines store rows together by their key, and
// Citus accepts no unique key without the column that it distributes by. On SQLite,
// which is never distributed, the table stays as it is, because SQLite would have to
// copy it.
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

// One returns a migration of one statement and the one that undoes it, the same on both
// databases.
func One(id, up, down string) Migration {
	return Migration{
		ID:   id,
		Up:   func(database.Driver) []string { return []string{up} },
		Down: func(database.Driver) []string { return []string{down} },
	}
}

// Added returns a migration that adds a column: its name, type and constraints.
func Added(id, table, column, definition string) Migration {
	return One(id, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", table, column, definition), fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", table, column))
}

// ListedBy returns a migration that creates an index for lists of a subject's rows, in
// the order of their ids. PostgreSQL needs none, because the table's key begins with the
// subject (KeyedBy).
func ListedBy(id, table string, subject ...string) Migration {
	only := func(driver database.Driver, statement string) []string {
		if driver == database.Postgres {
			return nil
		}
		return []string{statement}
	}
	return Migration{
		ID: id,
		Up: func(driver database.Driver) []string {
			return only(driver, fmt.Sprintf("CREATE INDEX %[1]s_history ON %[1]s (%[2]s, id)", table, strings.Join(subject, ", ")))
		},
		Down: func(driver database.Driver) []string {
			return only(driver, "DROP INDEX "+table+"_history")
		},
	}
}

// Optional returns migrations that make a foreign key column nullable. Neither database
// rewrites the table for it. The second migration only serves to roll back: before the
// column is required again, it fills the column with standIn, an SQL expression over
// the row.
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
			// SQLite appends the column. A schema is compared as text, so the column
			// returns to its old position; the meaning is the same.
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

// TableNames returns the names of the tables that migrations create.
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
