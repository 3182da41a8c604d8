// Package database opens the SQLite or PostgreSQL database in DATABASE_URL, and runs
// transactions that nested calls join. No other package imports the drivers.
//
// The methods of dialect are what both databases do by different mechanisms. Files
// whose names begin with the name of one database contain what only that one has. Their
// methods may be called on any DB: a method about SQLite's files does nothing on
// PostgreSQL. All of this is one package for a reason. Group commit, the watch and the
// checks of the file share the writer's connection; the pipeline, row-level security
// and pooling are layers of the same connection; and both are reached through a
// transaction's context, which is private.
package database

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"guildhall/platform/databaseurl"
	"guildhall/platform/engine"
)

// Driver is one of the two databases. DATABASE_URL chooses it.
type Driver string

const (
	SQLite   Driver = "sqlite"
	Postgres Driver = "postgres"
)

// Options are where the database is and how to use it.
type Options struct {
	URL            databaseurl.URL
	File           string            // of SQLite, instead of a URL; any name is allowed
	Create         bool              // creates the SQLite file if it does not exist; otherwise Open refuses
	ReplicaURLs    []databaseurl.URL // PostgreSQL standbys; see MayLag
	MaxConnections int               // of PostgreSQL
	RowSecurity    bool
	// TransactionPooling means that a pooler between service and server may run each
	// transaction on another connection, as PgBouncer does in transaction mode.
	TransactionPooling bool
	// CopyBeforeMigrating keeps a copy of the SQLite file from before its schema
	// changes.
	CopyBeforeMigrating bool
	Now                 func() time.Time
	Log                 *slog.Logger
	// OnStatement is called with every statement. It is nil except in tests.
	OnStatement func(ctx context.Context, sql string)
	// Observer is called after statements and transactions. It is nil without
	// telemetry.
	Observer Observer
	// Engine skips asking the server which engine it is. It is empty except in tests.
	Engine engine.Engine
}

// DB is an open database.
type DB struct {
	driver         Driver
	dialect        dialect
	syntax         syntax
	engine         engine.Engine // the product that speaks PostgreSQL's protocol
	server         server        // the PostgreSQL server that takes writes
	writer, reader *gorm.DB
	writePool      *sql.DB
	readPool       *sql.DB // the same as writePool on PostgreSQL
	standbys       *standbys
	lastly         func(context.Context) error
	sqlitePath     string
	opened         *opened       // of SQLite
	secondName     string        // a hard link to the file, if it has one
	idleLog        os.FileInfo   // the write-ahead log, as last checked
	checkpoints    atomic.Uint32 // the number of checkpoints seen
	room           room
	created        bool // Open has created the SQLite file
	options        Options
	log            *statementLog
	group          *groupCommit // of SQLite
	watch          *Watch       // of SQLite
	texts          sync.Map     // rewritten statements, by their original text
}

// Open connects to the database and checks it. Its errors never contain a password.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	}
	if o.File == "" {
		o.File = o.URL.File()
	}
	driver := SQLite
	if o.File == "" {
		driver = Postgres
	}
	if driver == Postgres && o.URL.IsZero() {
		return nil, errors.New("DATABASE_URL is not set")
	}
	d := &DB{
		driver: driver, engine: o.Engine, options: o,
		log: &statementLog{driver: driver, log: o.Log, on: o.OnStatement, observer: o.Observer},
	}
	d.syntax, d.dialect = syntaxOf[driver], sqliteDialect{d}
	if driver == Postgres {
		d.dialect = postgresDialect{d}
	}
	if err := retrying(ctx, openAttempts, func() error { return d.connect(ctx) }); err != nil {
		d.unmake()
		return nil, err
	}
	return d, nil
}

func (d *DB) connect(ctx context.Context) error {
	if err := d.dialect.open(); err != nil {
		return err
	}
	if err := d.dialect.check(ctx); err != nil {
		_ = d.Close()
		return err
	}
	return nil
}

func (d *DB) gormConfig() *gorm.Config {
	return &gorm.Config{
		Logger:                 d.log,
		NowFunc:                d.options.Now,
		TranslateError:         true,
		QueryFields:            true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
	}
}

// Path returns the path of the SQLite file.
func (d *DB) Path() string { return d.sqlitePath }

// Created reports whether Open created the SQLite file.
func (d *DB) Created() bool { return d.created }

// ReadsStandbys reports whether standbys are configured, so that MayLag makes a
// difference.
func (d *DB) ReadsStandbys() bool { return len(d.options.ReplicaURLs) > 0 }

// Driver returns which of the two databases this is.
func (d *DB) Driver() Driver { return d.driver }

// Engine returns the product that speaks PostgreSQL's protocol.
func (d *DB) Engine() engine.Engine { return d.engine }

// Param returns a placeholder for hand-written SQL that states its type on PostgreSQL.
func (d *DB) Param(sqlType string) string {
	if d.syntax.typedParameters {
		return "CAST(? AS " + sqlType + ")"
	}
	return "?"
}

// Null returns a NULL that states its type on PostgreSQL, as Param does.
func (d *DB) Null(sqlType string) string { return strings.Replace(d.Param(sqlType), "?", "NULL", 1) }

// ForUpdate returns the clause that locks the rows of a SELECT until the transaction
// ends. It is empty on SQLite, where the write transaction already excludes every
// other.
func (d *DB) ForUpdate() string { return d.syntax.forUpdate }

// Ping returns an error if the database does not answer.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	if err := d.readPool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return err
	}
	return d.writePool.PingContext(ctx)
}

// Close closes all connections.
func (d *DB) Close() error { return d.dialect.close() }
