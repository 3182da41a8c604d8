package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mattn/go-sqlite3" // and the driver "sqlite3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"guildhall/platform/databaseurl"
)

// open opens one connection that writes and several that read. Several writers would
// only wait for each other inside SQLite, where their contexts can't interrupt them.
func (d sqliteDialect) open() error {
	path := d.options.File
	if err := requireOwnLog(path); err != nil {
		return fmt.Errorf("open the SQLite file: %w", err)
	}
	d.sqlitePath = path
	err := d.findFile()
	if err != nil {
		return err
	}
	d.watch = newWatch(sqliteConnector{d.opened, sqliteDSN(path, "_query_only=1")})
	d.writePool = sql.OpenDB(writerConnector{sqliteConnector{d.opened, sqliteDSN(path, "_txlock=immediate&_foreign_keys=on")}, d.watch})
	d.writePool.SetMaxOpenConns(1)
	d.group = newGroupCommit(d.DB)
	d.readPool = d.openSQLitePool("_query_only=1&_foreign_keys=on")
	readers := max(4, runtime.GOMAXPROCS(0)*2)
	d.readPool.SetMaxOpenConns(readers)
	d.readPool.SetMaxIdleConns(readers)
	if d.writer, err = gorm.Open(gormSQLite{sqlite.Dialector{Conn: d.writePool}}, d.gormConfig()); err != nil {
		_ = d.Close()
		return fmt.Errorf("open the SQLite file %s: %w", path, err)
	}
	if d.reader, err = gorm.Open(gormSQLite{sqlite.Dialector{Conn: d.readPool}}, d.gormConfig()); err != nil {
		_ = d.Close()
		return fmt.Errorf("open the SQLite file %s: %w", path, err)
	}
	return nil
}

func (d sqliteDialect) check(ctx context.Context) error {
	err := d.Ping(ctx)
	switch {
	case err == nil:
		return d.checkEncoding(ctx)
	case isRetryable(err):
		return err
	}
	return fmt.Errorf("the database does not answer: %w", err)
}

// close checkpoints the log into the file. It does not wait for another process that
// reads without end, as Litestream does.
func (d sqliteDialect) close() error {
	d.watch.close()
	checkpoint := func() { _ = truncateLog(context.Background(), d.writePool) }
	if d.opened.replaced.Load() { // SQLite would remove the log by its name, which may be another file's
		checkpoint()
		return nil
	}
	err := d.readPool.Close()
	checkpoint()
	err = errors.Join(err, d.writePool.Close())
	d.unlinkHeld()
	return err
}

func (d sqliteDialect) begin(ctx context.Context, t *transaction, fn func(context.Context) error) error {
	return d.group.do(ctx, t, fn)
}

func (sqliteDialect) prepareSnapshot(context.Context, *gorm.DB) error { return nil }

func (sqliteDialect) bind(text string, args []any) (string, []any) { return text, args }

// quick removes cancellation from a context: database/sql would watch for it in a
// goroutine per statement, which costs more than the statement.
func (sqliteDialect) quick(ctx context.Context) context.Context {
	if ctx.Err() == nil {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (sqliteDialect) explain(_ context.Context, err error) error { return err }

func (d sqliteDialect) pools() []Pool {
	return []Pool{{"writer", d.writePool}, {"readers", d.readPool}}
}

func (d *DB) openSQLitePool(extra string) *sql.DB {
	return sql.OpenDB(sqliteConnector{d.opened, sqliteDSN(d.sqlitePath, extra)})
}

// preparedStatements is how many the driver keeps on each connection.
const preparedStatements = 200

// sqliteDSN asks for the write-ahead log and for an fsync at every commit, so that
// acknowledged writes survive a power cut.
func sqliteDSN(path, extra string) string {
	return databaseurl.DSN(path, fmt.Sprintf("_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_stmt_cache_size=%d&mode=rw&%s", preparedStatements, extra))
}

// findFile looks for the file before SQLite does, because SQLite would create it: a
// mistyped path must not become a new, empty database.
func (d *DB) findFile() error {
	path, err := filepath.Abs(d.sqlitePath)
	if err != nil {
		return fmt.Errorf("open the SQLite file: %w", err)
	}
	if d.options.Create {
		if err := d.createPrivate(); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("DATABASE_URL names a file that does not exist: %s (`guildhall migrate up` creates a new database)", path)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return fmt.Errorf("open the SQLite file: %w", err)
	}
	d.opened = &opened{path: path, file: info}
	return nil
}

// createPrivate creates the file with access for its owner only. The log beside it gets
// the same mode.
func (d *DB) createPrivate() error {
	if err := os.MkdirAll(filepath.Dir(d.sqlitePath), 0o700); err != nil {
		return fmt.Errorf("create the SQLite file: %w", err)
	}
	f, err := os.OpenFile(d.sqlitePath, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(d.sqlitePath, os.O_RDWR, 0)
	} else if err == nil {
		d.created = true
	}
	if err != nil {
		return fmt.Errorf("open the SQLite file: %w", err)
	}
	return f.Close()
}

// unmake removes a file that Open created before it failed. It keeps a file that is not
// empty: another process may have written to it.
func (d *DB) unmake() {
	if info, err := os.Stat(d.sqlitePath); d.created && err == nil && info.Size() == 0 {
		_ = os.Remove(d.sqlitePath)
	}
}

// SQLiteVersion returns the version of SQLite in this binary.
func SQLiteVersion() string {
	version, _, _ := sqlite3.Version()
	return version
}
