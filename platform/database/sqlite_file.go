package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/mattn/go-sqlite3"

	"guildhall/platform/databaseurl"
	"guildhall/platform/file"
)

// pagesAtOnce is the number of pages copied between two checks of the context: 8 MiB.
const pagesAtOnce = 2048

// CopyFile copies a SQLite database to a new file while the database is written to,
// through SQLite's backup interface. The copy has the state of the moment at which it
// began. No writer waits for it. Only the owner may access the new file, which must not
// exist yet.
func (d *DB) CopyFile(ctx context.Context, path string) error {
	if d.driver != SQLite {
		return errors.New("only SQLite is a file")
	}
	return copyFile(ctx, d.readPool, path)
}

// CopyClosedFile is CopyFile for a database that no process has open. The medium may be
// read-only.
func CopyClosedFile(ctx context.Context, from, to string) error {
	if err := requireOwnLog(from); err != nil {
		return err
	}
	how := "immutable=1"
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		how = "mode=ro" // the log contains changes of this database
	}
	if err := requireSQLite(from); err != nil {
		return err
	}
	if journal, err := os.Stat(from + "-journal"); err == nil && journal.Size() > 0 {
		return fmt.Errorf("%s-journal exists: this is not a backup, but a database to which a process was writing", from)
	}
	pool, err := sql.Open("sqlite3", databaseurl.DSN(from, how))
	if err != nil {
		return err
	}
	defer pool.Close()
	return copyFile(ctx, pool, to)
}

// FileHeader is the beginning of every SQLite file.
const FileHeader = "SQLite format 3\x00"

// requireSQLite checks the first bytes: SQLite takes an empty file for an empty
// database.
func requireSQLite(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	first := make([]byte, len(FileHeader))
	if _, err := io.ReadFull(f, first); err != nil || string(first) != FileHeader {
		return fmt.Errorf("%s is not a SQLite file", path)
	}
	return nil
}

func copyFile(ctx context.Context, pool *sql.DB, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	source, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	tx, err := source.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// This read transaction keeps the state of this moment. Without it, every write
	// would restart the copy.
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	target, err := sql.Open("sqlite3", databaseurl.DSN(path, "_synchronous=OFF"))
	if err != nil {
		return err
	}
	defer target.Close()
	to, err := target.Conn(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	err = to.Raw(func(to any) error {
		return source.Raw(func(from any) error { return copyPages(ctx, to.(*sqlite3.SQLiteConn), from.(*sqlite3.SQLiteConn)) })
	})
	if err != nil {
		return fmt.Errorf("copy the SQLite file: %w", err)
	}
	// The copy becomes one file without a log, regardless of the source's mode.
	if _, err := to.ExecContext(ctx, "PRAGMA journal_mode = DELETE"); err != nil {
		return fmt.Errorf("close the copy: %w", err)
	}
	return f.Sync()
}

func copyPages(ctx context.Context, to, from *sqlite3.SQLiteConn) (err error) {
	backup, err := to.Backup("main", from, "main")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if done, err := backup.Step(pagesAtOnce); err != nil || done {
			return err
		}
	}
}

// SealFile makes a closed database a single file without a log beside it.
func SealFile(ctx context.Context, path string) error {
	pool, err := sql.Open("sqlite3", databaseurl.DSN(path, ""))
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "PRAGMA journal_mode = DELETE")
	if err = errors.Join(err, pool.Close()); err != nil {
		return fmt.Errorf("close %s: %w", path, err)
	}
	return nil
}

// IsSQLiteFile reports whether the file begins as a SQLite file does.
func IsSQLiteFile(path string) bool { return requireSQLite(path) == nil }

// PublishFile is file.Publish for a database. It refuses if a file of SQLite's exists
// beside the new name, because SQLite would use it for this database.
func PublishFile(from, to string) error {
	if err := RequireNothing(to); err != nil {
		return err
	}
	return file.Publish(from, to)
}

// RequireNothing refuses a path at which a SQLite file or a part of one exists.
func RequireNothing(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("%s%s already exists", path, suffix))
		}
	}
	return nil
}

// RequireUnused refuses a SQLite file that another process has open. It checks by
// turning the write-ahead log off, which only a single connection may do.
func RequireUnused(ctx context.Context, path string) error {
	if err := requireOwnLog(path); err != nil {
		return err
	}
	pool, err := sql.Open("sqlite3", databaseurl.DSN(path, "_busy_timeout=500"))
	if err != nil {
		return err
	}
	defer pool.Close()
	var mode string
	if err := pool.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil || mode != "delete" {
		return fmt.Errorf("another process has %s open: stop it first", path)
	}
	return nil
}

// RemoveFiles removes a SQLite file and what SQLite keeps beside it.
func RemoveFiles(path string) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		_ = os.Remove(path + suffix)
	}
}
