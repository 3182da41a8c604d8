package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"

	"github.com/mattn/go-sqlite3"
)

// Watch reports whether data read from a SQLite file is still valid, without reading it
// again: whether this process or another has committed anything since that invalidates
// it. It counts epochs.
//
// The connection that writes reports its commits to the watch (writerConn). The commits
// of other processes show in PRAGMA data_version, which tells a connection whether any
// other connection has committed. The watch reads it on a connection of its own, where
// the writer's commits show as well. So it also reads it on the writer's connection,
// before and after each of the writer's commits: while that number stays the same, no
// other process has committed.
type Watch struct {
	connect     func() (driver.Conn, error)
	invalidates func(Write) bool // nil if every write invalidates

	mu     sync.Mutex
	closed bool
	own    driver.Conn // nil until it is needed, and once closed
	ask    *sqlite3.SQLiteStmt
	seen   int64 // the data_version up to which all commits are accounted for
	epoch  int64
}

var (
	errNotWatched  = errors.New("database: nothing is watched yet")
	errWatchClosed = errors.New("database: nothing is watched any more")
)

const dataVersion = "PRAGMA data_version"

// Write is what a statement does to a table.
type Write struct {
	Operation Operation
	Table     string
	Column    string // of an Update
}

// Operation is a kind of Write.
type Operation int

const (
	Insert Operation = iota + 1
	Update
	Delete
)

// Watch returns the watch. invalidates decides whether a write may change what is
// cached. It must be called once, before the first transaction. It returns nil on
// PostgreSQL, where other processes write unseen.
func (d *DB) Watch(invalidates func(Write) bool) *Watch {
	if d.driver != SQLite {
		return nil
	}
	d.watch.invalidates = invalidates
	return d.watch
}

func newWatch(connector sqliteConnector) *Watch {
	return &Watch{connect: func() (driver.Conn, error) { return connector.Connect(context.Background()) }}
}

// recursiveSelect is an action code of SQLite's that the driver has no name for.
const recursiveSelect = 33

// invalidatedBy takes an action code and its arguments from SQLite:
// https://sqlite.org/c3ref/c_alter_table.html. A schema change always invalidates.
func (w *Watch) invalidatedBy(action int, table, column string) bool {
	write := Write{Table: table}
	switch action {
	case sqlite3.SQLITE_SELECT, recursiveSelect, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION,
		sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT:
		return false
	case sqlite3.SQLITE_PRAGMA:
		return "PRAGMA "+table != dataVersion
	case sqlite3.SQLITE_INSERT:
		write.Operation = Insert
	case sqlite3.SQLITE_UPDATE:
		write.Operation, write.Column = Update, column
	case sqlite3.SQLITE_DELETE:
		write.Operation = Delete
	default:
		return true
	}
	return w.invalidatedByWrite(write)
}

func (w *Watch) invalidatedByWrite(write Write) bool {
	return w.invalidates == nil || w.invalidates(write)
}

// open connects when the first epoch is asked for, because only the service needs it
// and no command does.
func (w *Watch) open() error {
	conn, err := w.connect()
	if err != nil {
		return err
	}
	ask, err := conn.Prepare(dataVersion)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	w.own, w.ask = conn, ask.(*sqlite3.SQLiteStmt)
	return nil
}

// Epoch returns the same number for as long as nothing is committed that invalidates.
// What was read between two calls with the same result was valid all the while. sure is
// false if the file can't be asked.
func (w *Watch) Epoch() (epoch int64, sure bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	version, err := w.version()
	if err != nil {
		return 0, false
	}
	if version != w.seen { // another process has committed // mutant: others-changes
		w.epoch++
		w.seen = version
	}
	return w.epoch, true
}

// version reads data_version on the watch's own connection.
func (w *Watch) version() (int64, error) {
	if w.closed { // the driver would crash the process
		return 0, errWatchClosed
	}
	if w.own == nil {
		if err := w.open(); err != nil {
			return 0, err
		}
	}
	return askVersion(w.ask)
}

func askVersion(ask *sqlite3.SQLiteStmt) (int64, error) {
	rows, err := ask.Query(nil) //nolint:staticcheck // the driver's own, without a context to watch
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	var row [1]driver.Value
	if err := rows.Next(row[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = sql.ErrNoRows
		}
		return 0, err
	}
	version, _ := row[0].(int64)
	return version, nil
}

// begin is called before a commit, under SQLite's write lock: no other process commits
// until end.
func (w *Watch) begin(writer *sqlite3.SQLiteStmt) (before int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil { // no epoch has been asked for yet
		return 0, errNotWatched
	}
	version, err := w.version()
	if err != nil || version != w.seen {
		w.epoch++
		w.seen = version
	}
	if err == nil {
		before, err = askVersion(writer)
	}
	return before, err
}

// end is called after the commit. It begins a new epoch if the commit invalidates, or
// if it can't be distinguished from another process's commit.
func (w *Watch) end(writer *sqlite3.SQLiteStmt, before int64, changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil {
		return
	}
	version, err := w.version() // the writer's version must be read after this one
	if !changed && err == nil {
		var after int64
		after, err = askVersion(writer)
		changed = after != before
	}
	if changed || err != nil { // mutant: own-changes
		w.epoch++
	}
	w.seen = version
}

func (w *Watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true // requests that were cut off may still use it
	if w.own != nil {
		_ = w.ask.Close()
		_ = w.own.Close()
		w.own = nil
	}
}
