// Package database opens SQLite or PostgreSQL as DATABASE_URL says, and runs
// transactions that nested calls join. It is the only importer of the drivers.
//
// Where both databases need a mechanism for the same thing, it is a method of dialect.
// What only one of them has is in the files whose names begin with it, and is called on
// any DB: a method about SQLite's files does nothing on PostgreSQL. It is one package all
// the same. Group commit, the watch and the checks of the file share the writer's
// connection; the pipeline, row-level security and pooling are layers of the same
// connection; and both are reached through a transaction's context, which is private.
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

// Driver is one of the two databases; DATABASE_URL chooses.
type Driver string

const (
	SQLite   Driver = "sqlite"
	Postgres Driver = "postgres"
)

// Options say where the data is.
type Options struct {
	URL            databaseurl.URL
	File           string            // of SQLite, instead of a URL: any name
	Create         bool              // makes the SQLite file where it is not there, and is refused otherwise
	ReplicaURLs    []databaseurl.URL // PostgreSQL servers that follow it; see MayLag
	MaxConnections int               // of PostgreSQL
	RowSecurity    bool
	// TransactionPooling is a pooler between that hands each transaction to
	// another connection of the server, as PgBouncer does in transaction mode.
	TransactionPooling bool
	// CopyBeforeMigrating keeps a SQLite file as it was before its schema changes.
	CopyBeforeMigrating bool
	Now                 func() time.Time
	Log                 *slog.Logger
	// OnStatement is called with every statement; nil but in tests.
	OnStatement func(ctx context.Context, sql string)
	// Observer is called after statements and transactions; nil without telemetry.
	Observer Observer
	// Engine is what the server is taken for; asked of it, but in tests.
	Engine engine.Engine
}

// DB is an open database.
type DB struct {
	driver         Driver
	dialect        dialect
	syntax         syntax
	engine         engine.Engine // on PostgreSQL's protocol
	server         server        // of PostgreSQL, that takes writes
	writer, reader *gorm.DB
	writePool      *sql.DB
	readPool       *sql.DB // the same as writePool on PostgreSQL
	standbys       *standbys
	lastly         func(context.Context) error
	sqlitePath     string
	opened         *opened       // of SQLite
	held           string        // its second name, if it has one
	idleLog        os.FileInfo   // its log, when it was looked at
	checkpoints    atomic.Uint32 // how many were seen
	room           room
	made           bool // the SQLite file, just now
	options        Options
	log            *statementLog
	group          *groupCommit // of SQLite
	watch          *Watch       // of SQLite
	texts          sync.Map     // statements, by how they are written here
}

// Open connects and checks that the database answers. Its errors never hold a
// password.
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

// Path of the SQLite file.
func (d *DB) Path() string { return d.sqlitePath }

// Made says whether Open made the SQLite file.
func (d *DB) Made() bool { return d.made }

// ReadsStandbys says whether there are servers to which MayLag makes a difference.
func (d *DB) ReadsStandbys() bool { return len(d.options.ReplicaURLs) > 0 }

// Driver says which database this is.
func (d *DB) Driver() Driver { return d.driver }

// Engine is what speaks PostgreSQL's protocol.
func (d *DB) Engine() engine.Engine { return d.engine }

// Param is a placeholder whose type PostgreSQL is told, for hand-written SQL.
func (d *DB) Param(sqlType string) string {
	if d.syntax.typedParameters {
		return "CAST(? AS " + sqlType + ")"
	}
	return "?"
}

// Null is a NULL whose type PostgreSQL is told, as Param is.
func (d *DB) Null(sqlType string) string { return strings.Replace(d.Param(sqlType), "?", "NULL", 1) }

// ForUpdate locks the rows of a SELECT until the transaction ends. On SQLite
// the write transaction excludes every other already.
func (d *DB) ForUpdate() string { return d.syntax.forUpdate }

// Ping says whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	if err := d.readPool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return err
	}
	return d.writePool.PingContext(ctx)
}

// Close closes all connections.
func (d *DB) Close() error { return d.dialect.close() }
