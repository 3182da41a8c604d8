package database

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mattn/go-sqlite3" // and the driver "sqlite3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"guildhall/platform/sqliteurl"
)

// openSQLite opens one connection that writes and several that read. Several
// writers would only wait for each other inside SQLite, deaf to their contexts.
func (d *DB) openSQLite(path string) error {
	var err error
	if d.opened, err = createPrivate(path); err != nil {
		return fmt.Errorf("open the SQLite file: %w", err)
	}
	d.sqlitePath = path
	d.writePool = d.openSQLitePool("_txlock=immediate&_foreign_keys=on")
	d.writePool.SetMaxOpenConns(1)
	d.sharing = newSharing(d)
	d.readPool = d.openSQLitePool("_query_only=1&_foreign_keys=on")
	readers := max(4, runtime.GOMAXPROCS(0)*2)
	d.readPool.SetMaxOpenConns(readers)
	d.readPool.SetMaxIdleConns(readers)
	if d.writer, err = gorm.Open(sqliteDialect{sqlite.Dialector{Conn: d.writePool}}, d.gormConfig()); err != nil {
		_ = d.Close()
		return fmt.Errorf("open the SQLite file %s: %w", path, err)
	}
	if d.reader, err = gorm.Open(sqliteDialect{sqlite.Dialector{Conn: d.readPool}}, d.gormConfig()); err != nil {
		_ = d.Close()
		return fmt.Errorf("open the SQLite file %s: %w", path, err)
	}
	return nil
}

func (d *DB) openSQLitePool(extra string) *sql.DB {
	return sql.OpenDB(sqliteConnector{d.opened, sqliteDSN(d.sqlitePath, extra)})
}

// sqliteDSN asks for the write-ahead log and for an fsync at every commit: what
// was acknowledged survives a power cut. Statements stay prepared in the driver,
// on each connection.
func sqliteDSN(path, extra string) string {
	return sqliteurl.DSN(path, "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_stmt_cache_size=200&mode=rw&"+extra)
}

// createPrivate makes the file, which SQLite only opens, for its owner alone; the
// log beside it takes over the mode.
func createPrivate(path string) (*opened, error) {
	if err := requireOwnLog(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	target, err := filepath.EvalSymlinks(path)
	return &opened{path: target, file: info}, err
}

// SQLiteVersion is that of the SQLite inside this binary.
func SQLiteVersion() string {
	version, _, _ := sqlite3.Version()
	return version
}
