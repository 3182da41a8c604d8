package database

import (
	"context"

	"gorm.io/gorm"
)

// dialect is what takes another mechanism on each database.
type dialect interface {
	// open makes the pools.
	open() error
	// check refuses a database that does not answer or can't be worked with.
	check(ctx context.Context) error
	close() error

	// begin runs fn in a transaction: in a group on SQLite.
	begin(ctx context.Context, t *transaction, fn func(context.Context) error) error
	// prepareSnapshot is called at the beginning of a long transaction that reads.
	prepareSnapshot(ctx context.Context, tx *gorm.DB) error

	// bind has the placeholders and the parameters as the driver takes them.
	bind(text string, args []any) (string, []any)
	// quick is the context for a statement that ends soon.
	quick(ctx context.Context) context.Context

	// explain says what helps against an error, if that is known.
	explain(ctx context.Context, err error) error
	// writable says why no writes are taken.
	writable(ctx context.Context) error
	pools() []Pool
}

// syntax is SQL that differs.
type syntax struct {
	typedParameters bool   // a parameter may need a CAST
	forUpdate       string // at the end of a SELECT
	hasTable        string // counts the tables of a name
	columns         string // of all tables: table, name, type, position in the key
	schema          string // one line for everything in it
}

var syntaxOf = map[Driver]syntax{
	SQLite: {
		hasTable: "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
		columns:  sqliteColumns,
		schema:   sqliteSchema,
	},
	Postgres: {
		typedParameters: true,
		// Not the stronger FOR UPDATE, which would make rows that refer to this one wait.
		forUpdate: " FOR NO KEY UPDATE",
		// Not information_schema, which leaves out what the role may not use.
		hasTable: "SELECT COUNT(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND relname = ?",
		columns:  postgresColumns,
		schema:   postgresSchema,
	},
}

type sqliteDialect struct{ *DB }

type postgresDialect struct{ *DB }
