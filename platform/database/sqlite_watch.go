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

// Watch says whether what was read of a SQLite file still holds, without reading
// it again: whether anything that invalidates it has been committed since, by this
// process or another. It counts epochs.
//
// The connection that writes tells the watch of its commits (writerConn). Those of other
// processes show in PRAGMA data_version, which tells a connection whether any other
// connection has committed. The watch asks on a connection of its own, where the writer's
// commits show as well. So the writer is asked too, before and after each of its commits:
// while its number stays the same, no other process has committed.
type Watch struct {
	connect     func() (driver.Conn, error)
	invalidates func(Write) bool // nil: every write does

	mu     sync.Mutex
	closed bool
	own    driver.Conn // nil until it is needed, and once closed
	ask    *sqlite3.SQLiteStmt
	seen   int64 // data_version, as far as it is accounted for
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

// Watch returns what watches; invalidates says whether a write may change what is
// cached. It is called once, before there are transactions. It returns nil on
// PostgreSQL, to which several processes write unseen.
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

// recursiveSelect is an action of SQLite's that the driver has no name for.
const recursiveSelect = 33

// invalidatedBy takes an action and its arguments as SQLite has them:
// https://sqlite.org/c3ref/c_alter_table.html. What changes the schema invalidates.
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
	return w.invalidates == nil || w.invalidates(write)
}

// open is done when it is first asked for an epoch: no command but the service
// needs it.
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

// Epoch is the same number for as long as nothing that invalidates is committed.
// What was read between two calls with the same answer was true all the while. It is
// not sure if the file can't be asked.
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

// version asks the watch's own connection.
func (w *Watch) version() (int64, error) {
	if w.closed { // the driver would take the process down with it
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

// begin is called before a commit, with SQLite's write lock: no other process commits
// until end.
func (w *Watch) begin(writer *sqlite3.SQLiteStmt) (before int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil { // there was no epoch yet
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
// if it can't be told from another process's.
func (w *Watch) end(writer *sqlite3.SQLiteStmt, before int64, changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil {
		return
	}
	version, err := w.version() // and only then the writer's
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
	w.closed = true // and requests that were cut off may still be at it
	if w.own != nil {
		_ = w.ask.Close()
		_ = w.own.Close()
		w.own = nil
	}
}
