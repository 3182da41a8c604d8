package database

import "fmt"

// Driver is one of the two databases; DATABASE_URL chooses.
type Driver string

const (
	SQLite   Driver = "sqlite"
	Postgres Driver = "postgres"
)

// Migration is one step of a module's schema, shipped once and never changed.
//
// The statements are plain SQL with PostgreSQL's type names; for SQLite the
// kernel writes TEXT for uuid and DATETIME for timestamptz. Where the databases
// differ otherwise, the function looks at its argument. One statement each way:
// there are engines that undo no half of a migration (engine.MigratesInSteps).
type Migration struct {
	ID   string // YYYYMMDDhhmm_module_what; the order in which all modules' steps run
	Up   func(Driver) []string
	Down func(Driver) []string
}

// KeyedBy is a migration that puts the tenant in front of a table's key, which
// was its id alone: distributed engines keep rows together by their key, and
// Citus finds no unique key without the column that it distributes by. SQLite
// keeps the table as it is: it would have to copy it, and is never distributed.
//
// PostgreSQL builds the index under a lock on this one table.
func KeyedBy(id, table, column string) Migration {
	key := func(columns string) func(Driver) []string {
		return func(driver Driver) []string {
			if driver == SQLite {
				return nil
			}
			return []string{fmt.Sprintf("ALTER TABLE %[1]s DROP CONSTRAINT %[1]s_pkey, ADD CONSTRAINT %[1]s_pkey PRIMARY KEY (%[2]s)", table, columns)}
		}
	}
	return Migration{ID: id, Up: key(column + ", id"), Down: key("id")}
}
