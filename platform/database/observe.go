package database

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
)

// Observer is told what the database is asked.
type Observer interface {
	// Statement has ended, or its rows can be read now. The text has placeholders
	// where the values were.
	Statement(ctx context.Context, driver Driver, text string, began time.Time, err error)
	// Transaction begins; what it returns is told how it ended, after its statements.
	Transaction(ctx context.Context) (context.Context, func(Outcome))
}

// Outcome is how a transaction ended.
type Outcome string

const (
	Committed  Outcome = "committed"
	RolledBack Outcome = "rolled_back"
	Collided   Outcome = "collided" // with others at work at the same time; it may be tried again
)

// Outcomes are all there are.
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

// observed begins a transaction for the observer, if there is one.
func (d *DB) observed(ctx context.Context) (context.Context, func(error)) {
	if d.options.Observer == nil {
		return ctx, func(error) {}
	}
	ctx, ended := d.options.Observer.Transaction(ctx)
	return ctx, func(err error) { ended(outcomeOf(err)) }
}

// The dialects as gorm has them, but that a statement is explained by itself:
// there are no values to put in, and no time to spend on it.
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

// Pools are all there are.
func (d *DB) Pools() []Pool { return d.dialect.pools() }

// Standbys says how many there are and how many are read from now.
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

// Files is how large SQLite's files are, in bytes.
type Files struct {
	Database    int64
	Free        int64 // of the database's file, in pages that hold nothing
	WAL         int64 // the write-ahead log
	Checkpoints uint32
}

// Files looks at the files of a SQLite database, without writing to them.
//
// It opens neither the database's file nor the log's index: closing either would
// release every lock that this process has on it (fcntl(2)).
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
	f.Checkpoints = d.checkpoints.Load() // a log that was emptied has forgotten
	return f, err
}

// walAt reads the size of the write-ahead log, and from its header how often it
// has begun anew: https://sqlite.org/fileformat2.html#walformat. There is none
// before the first write.
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
	const sequence = 12 // its offset, 4 bytes, the highest first
	var number [4]byte
	if _, err := file.ReadAt(number[:], sequence); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	return info.Size(), binary.BigEndian.Uint32(number[:]), nil
}
