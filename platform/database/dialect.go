package database

import (
	"context"

	"gorm.io/gorm"
)

// dialect is what the two databases do by different mechanisms.
type dialect interface {
	// open creates the connection pools.
	open() error
	// check refuses a database that does not answer or that the service can't work
	// with.
	check(ctx context.Context) error
	close() error

	// begin runs fn in a transaction. On SQLite the transaction is a member of a group.
	begin(ctx context.Context, t *transaction, fn func(context.Context) error) error
	// prepareSnapshot is called at the beginning of a long read transaction.
	prepareSnapshot(ctx context.Context, tx *gorm.DB) error

	// bind returns the placeholders and the parameters in the form that the driver
	// takes.
	bind(text string, args []any) (string, []any)
	// quick returns the context for a statement that ends soon.
	quick(ctx context.Context) context.Context

	// explain adds to an error how to fix it, if that is known.
	explain(ctx context.Context, err error) error
	// writable returns an error if the database takes no writes.
	writable(ctx context.Context) error
	pools() []Pool
}

// syntax is the SQL that differs.
type syntax struct {
	typedParameters bool   // a parameter may need a CAST
	forUpdate       string // at the end of a SELECT
	hasTable        string // counts the tables that have a name
	columns         string // of all tables: table, name, type, position in the key
	schema          string // describes each object of the schema on one line
}

var syntaxOf = map[Driver]syntax{
	SQLite: {
		hasTable: "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
		columns:  sqliteColumns,
		schema:   sqliteSchema,
	},
	Postgres: {
		typedParameters: true,
		// The stronger FOR UPDATE would make writers of rows that refer to this one
		// wait.
		forUpdate: " FOR NO KEY UPDATE",
		// information_schema would leave out tables that the role may not use.
		hasTable: "SELECT COUNT(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND relname = ?",
		columns:  postgresColumns,
		schema:   postgresSchema,
	},
}

type sqliteDialect struct{ *DB }

type postgresDialect struct{ *DB }
