package database

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
// differ otherwise, the function looks at its argument.
type Migration struct {
	ID   string // YYYYMMDDhhmm_module_what; the order in which all modules' steps run
	Up   func(Driver) []string
	Down func(Driver) []string
}
