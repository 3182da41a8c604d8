// Package backup makes a file that holds everything, while the service runs, and
// brings it back. The file is a SQLite database whichever database the service
// has: made through SQLite's backup interface, or by a copy of one PostgreSQL
// snapshot. Anybody can look into it, and it can be restored to either.
//
// Nothing has a name before it has been gone through: the file's integrity, the
// invariants and the audit trail.
package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"guildhall/platform/access"
	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/integrity"
)

// Options of a backup.
type Options struct {
	DB         *database.DB
	Migrations []database.Migration // of this version
	Progress   func(clone.Progress)
}

// Taken is a backup that was made.
type Taken struct {
	Path  string
	Bytes int64
	Found integrity.Report
}

// ErrUnsound is a backup of data with which something is wrong.
var ErrUnsound = errors.New("the backup is not sound")

// Take makes a backup of a name that is not taken yet. Where the data is not
// sound the file keeps the suffix .unsound, so that nobody takes it for good and
// what can be saved still is.
func Take(ctx context.Context, o Options, path string) (Taken, error) {
	t := Taken{Path: path}
	if err := database.RequireNothing(path); err != nil {
		return t, err
	}
	partial := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
	database.RemoveFiles(partial) // of one that was cut off
	defer database.RemoveFiles(partial)
	if err := write(ctx, o, partial); err != nil {
		return t, fmt.Errorf("make the backup: %w", err)
	}
	var err error
	if t.Found, err = inspect(ctx, partial); err != nil {
		return t, fmt.Errorf("look through the backup: %w", err)
	}
	if err := database.SealFile(ctx, partial); err != nil {
		return t, err
	}
	if unsound := t.Found.Err(); unsound != nil {
		t.Path = path + ".unsound"
		err = fmt.Errorf("%w, %s: %w", ErrUnsound, t.Path, unsound)
	}
	if info, failed := os.Stat(partial); failed == nil {
		t.Bytes = info.Size()
	}
	return t, errors.Join(err, database.PublishFile(partial, t.Path))
}

func write(ctx context.Context, o Options, path string) error {
	if o.DB.Driver() == database.SQLite {
		return o.DB.CopyFile(ctx, path)
	}
	target, err := database.Open(ctx, database.Options{File: path, Create: true})
	if err != nil {
		return err
	}
	_, err = clone.Copy(ctx, clone.Options{From: o.DB, To: target, Migrations: o.Migrations, Without: access.OfOneServer(), Progress: o.Progress})
	return errors.Join(err, target.Close())
}

func inspect(ctx context.Context, path string) (r integrity.Report, err error) {
	db, err := database.Open(ctx, database.Options{File: path})
	if err != nil {
		return r, err
	}
	r, err = integrity.Check(ctx, db)
	return r, errors.Join(err, db.Close())
}
