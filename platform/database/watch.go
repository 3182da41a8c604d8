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
// it again: whether anything that matters has been committed since, by this
// process or another.
//
// Commits of this process pass through it, and one that wrote what matters begins
// a new epoch (watchedTx). Commits of others show in PRAGMA data_version, which tells a connection whether any other
// has committed. The watch has a connection of its own, for which the writer's
// commits are an other's too; so the writer's is asked as well, before and after
// each of its commits: while that stays the same, nobody else has committed, and
// what the watch sees is the writer's own.
type Watch struct {
	connect  func() (driver.Conn, error)
	harmless func(statement string) bool
	verdicts sync.Map // of harmless, by statement

	mu     sync.Mutex
	closed bool
	own    driver.Conn // nil until it is needed, and once closed
	ask    *sqlite3.SQLiteStmt
	seen   int64 // data_version, as far as it is accounted for
	epoch  int64
}

var (
	errNobodyAsked = errors.New("database: nothing is watched yet")
	errWatchClosed = errors.New("database: nothing is watched any more")
)

const dataVersion = "PRAGMA data_version"

// Watch returns what watches. harmless says of a statement's text that it can't
// change what is kept; of whatever it is not sure it says no. It returns nil where
// there is nothing to watch by: PostgreSQL has several processes that write.
func (d *DB) Watch(harmless func(statement string) bool) *Watch {
	if d.driver != SQLite {
		return nil
	}
	connector := sqliteConnector{d.opened, sqliteDSN(d.sqlitePath, "_query_only=1")}
	d.watch = &Watch{connect: func() (driver.Conn, error) { return connector.Connect(context.Background()) }, harmless: harmless}
	return d.watch
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

// Epoch is the same number for as long as nothing that matters is committed.
// What is read after it was asked for, and found unchanged when it is asked for
// again, was true all the while. It is not sure where the file can't be asked.
func (w *Watch) Epoch() (epoch int64, sure bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	version, err := w.version()
	if err != nil {
		return 0, false
	}
	if version != w.seen { // somebody else's
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
	rows, err := w.ask.Query(nil) //nolint:staticcheck // the driver's own, without a context to watch
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

// begin is called by whoever is about to commit, with the write lock: nobody
// else can commit until they have.
func (w *Watch) begin(ctx context.Context, writer asked) (before int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil { // there was no epoch yet
		return 0, errNobodyAsked
	}
	version, err := w.version()
	if err != nil || version != w.seen {
		w.epoch++
		w.seen = version
	}
	if err == nil {
		before, err = writersVersion(ctx, writer)
	}
	return before, err
}

// end is called after the commit. It is a new epoch if that changed what matters,
// or if it can't be told from another's.
func (w *Watch) end(ctx context.Context, writer asked, before int64, changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own == nil {
		return
	}
	version, err := w.version() // and only then the writer's
	if !changed && err == nil {
		var after int64
		after, err = writersVersion(ctx, writer)
		changed = after != before
	}
	if changed || err != nil {
		w.epoch++
	}
	w.seen = version
}

// isHarmless asks about each statement once: a few dozen are run over and over.
func (w *Watch) isHarmless(statement string) bool {
	if verdict, found := w.verdicts.Load(statement); found {
		return verdict.(bool)
	}
	verdict := w.harmless(statement)
	w.verdicts.Store(statement, verdict)
	return verdict
}

// watchedTx runs the statements of a transaction, gorm's and those by hand, and
// notes whether one of them may have changed what the watch is about.
type watchedTx struct {
	*sql.Tx
	watch   *Watch
	changed bool
}

func (t *watchedTx) note(statement string) {
	t.changed = t.changed || !t.watch.isHarmless(statement)
}

func (t *watchedTx) PrepareContext(ctx context.Context, statement string) (*sql.Stmt, error) {
	t.note(statement)
	return t.Tx.PrepareContext(ctx, statement)
}

func (t *watchedTx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	t.note(statement)
	return t.Tx.ExecContext(ctx, statement, args...)
}

func (t *watchedTx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	t.note(statement)
	return t.Tx.QueryContext(ctx, statement, args...)
}

func (t *watchedTx) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	t.note(statement)
	return t.Tx.QueryRowContext(ctx, statement, args...)
}

type asked interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func writersVersion(ctx context.Context, writer asked) (version int64, err error) {
	return version, writer.QueryRowContext(ctx, dataVersion).Scan(&version)
}

// apart is for a transaction that does not tell what it writes: its end is a new
// epoch. While it is being committed, its commit shows as another process's would.
func (w *Watch) apart(run func() error) error {
	if w == nil {
		return run()
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.epoch++
		if w.own != nil {
			w.seen, _ = w.version()
		}
	}()
	return run()
}

func (w *Watch) close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true // and requests that were cut off may still be at it
	if w.own != nil {
		_ = w.ask.Close()
		_ = w.own.Close()
		w.own = nil
	}
}
