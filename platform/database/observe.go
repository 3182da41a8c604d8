package database

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
)

// Observer receives the statements and transactions of the database.
type Observer interface {
	// Statement is called when a statement has ended or its rows can be read. The text
	// has placeholders instead of values.
	Statement(ctx context.Context, driver Driver, text string, began time.Time, err error)
	// Transaction is called when a transaction begins. The function that it returns is
	// called with the outcome, after all statements of the transaction.
	Transaction(ctx context.Context) (context.Context, func(Outcome))
}

// Outcome is how a transaction ended.
type Outcome string

const (
	Committed  Outcome = "committed"
	RolledBack Outcome = "rolled_back"
	Collided   Outcome = "collided" // with a concurrent transaction; it may be retried
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome { return []Outcome{Committed, RolledBack, Collided} }

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Committed
	case isRetryable(err):
		return Collided
	default:
		return RolledBack
	}
}

// observed reports the beginning of a transaction to the observer, if it is not nil.
func (d *DB) observed(ctx context.Context) (context.Context, func(error)) {
	if d.options.Observer == nil {
		return ctx, func(error) {}
	}
	ctx, ended := d.options.Observer.Transaction(ctx)
	return ctx, func(err error) { ended(outcomeOf(err)) }
}

// These are gorm's dialects, except that Explain returns the statement as it is: no
// values are to be inserted, and inserting them would take time.
type (
	gormSQLite   struct{ sqlite.Dialector }
	gormPostgres struct{ postgres.Dialector }
)

func (gormSQLite) Explain(text string, _ ...any) string { return text }

func (gormPostgres) Explain(text string, _ ...any) string { return text }

// Pool is a set of connections and what they are for.
type Pool struct {
	Name string
	*sql.DB
}

// Pools returns all connection pools.
func (d *DB) Pools() []Pool { return d.dialect.pools() }

// Standbys returns the number of standbys, and how many of them serve reads at present.
func (d *DB) Standbys() (all, inUse int) {
	if d.standbys == nil {
		return 0, 0
	}
	for _, one := range d.standbys.all {
		if one.isIn() {
			inUse++
		}
	}
	return len(d.standbys.all), inUse
}

// ServerVersion returns the version of SQLite, or of the server. It asks the server, which may
// have been upgraded since this process started.
func (d *DB) ServerVersion(ctx context.Context) (version string, err error) {
	if d.driver == SQLite {
		return SQLiteVersion(), nil
	}
	if err := d.Row(ctx, "SELECT COALESCE(current_setting('server_version', true), '')").Scan(&version); err != nil {
		return "", fmt.Errorf("ask the database for its version: %w", err)
	}
	return version, nil
}

// Size returns the size of the database in bytes, with its indexes. It is 0 if several servers
// share the database, none of which knows it.
func (d *DB) Size(ctx context.Context) (size int64, err error) {
	if d.driver == SQLite {
		f, err := d.Files(ctx)
		return f.Database, err
	}
	if d.engine.MigratesInSteps() {
		return 0, nil
	}
	if err := d.Row(ctx, "SELECT pg_database_size(current_database())").Scan(&size); err != nil {
		return 0, fmt.Errorf("ask the database for its size: %w", err)
	}
	return size, nil
}

// Files are the sizes of SQLite's files, in bytes.
type Files struct {
	Database    int64
	Free        int64 // of the database file: pages that are unused
	WAL         int64 // the write-ahead log
	Checkpoints uint32
}

// Files returns the sizes of the files of a SQLite database, without writing to them.
//
// It opens neither the database file nor the log's index: closing either would release
// every lock that this process has on it (fcntl(2)).
func (d *DB) Files(ctx context.Context) (f Files, err error) {
	var pages, free, size int64
	const query = "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
	if err := d.readPool.QueryRowContext(ctx, query).Scan(&pages, &free, &size); err != nil {
		return f, err
	}
	f.Database, f.Free = pages*size, free*size
	f.WAL, f.Checkpoints, err = walAt(d.sqlitePath + "-wal")
	if f.WAL > 0 {
		d.checkpoints.Store(f.Checkpoints)
	}
	f.Checkpoints = d.checkpoints.Load() // the header of a truncated log no longer has the number
	return f, err
}

// walAt returns the size of the write-ahead log and, from its header, the number of
// times that it was restarted: https://sqlite.org/fileformat2.html#walformat. The log
// does not exist before the first write.
func walAt(path string) (size int64, checkpoints uint32, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	const sequence = 12 // its offset; 4 bytes, big-endian
	var number [4]byte
	if _, err := file.ReadAt(number[:], sequence); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	return info.Size(), binary.BigEndian.Uint32(number[:]), nil
}
