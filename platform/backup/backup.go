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
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"guildhall/platform/access"
	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/integrity"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
)

// Options of a backup.
type Options struct {
	DB         *database.DB
	Migrations []migrate.Migration // of this version
	Invariants []schema.Invariant
	Progress   func(clone.Progress)
}

// Taken is a backup that was made.
type Taken struct {
	Path   string
	Bytes  int64
	Found  integrity.Report
	Digest string // of the contents, as in the file; empty where they can't be read
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
	if err := t.make(ctx, o, partial); err != nil {
		return t, err
	}
	var err error
	if unsound := t.Found.Err(); unsound != nil {
		t.Path = path + ".unsound"
		err = fmt.Errorf("%w, %s: %w", ErrUnsound, t.Path, unsound)
	}
	return t, errors.Join(err, database.PublishFile(partial, t.Path))
}

// Stream makes a backup in TMPDIR and writes it out, once all of it has been gone
// through. Of one that is not sound nothing is written.
func Stream(ctx context.Context, o Options, out io.Writer) (t Taken, err error) {
	dir, err := os.MkdirTemp("", "guildhall-backup-")
	if err != nil {
		return t, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	partial := filepath.Join(dir, "backup.db")
	if err := t.make(ctx, o, partial); err != nil {
		return t, err
	}
	if unsound := t.Found.Err(); unsound != nil {
		return t, fmt.Errorf("%w, so nothing was written (a backup to a file keeps what there is): %w", ErrUnsound, unsound)
	}
	f, err := os.Open(partial)
	if err != nil {
		return t, err
	}
	defer f.Close()
	// A reader that ends early ends this process where it stands, so the file loses
	// its name first. Windows removes no open file, and ends no process for that.
	_ = os.RemoveAll(dir)
	if _, err := io.Copy(out, whileWanted{ctx, f}); err != nil {
		return t, fmt.Errorf("write the backup out: %w", err)
	}
	return t, nil
}

// whileWanted reads until the context ends.
type whileWanted struct {
	ctx context.Context
	io.Reader
}

func (r whileWanted) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// make writes the file and goes through it.
func (t *Taken) make(ctx context.Context, o Options, path string) error {
	if err := write(ctx, o, path); err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	if err := t.inspect(ctx, o, path); err != nil {
		return fmt.Errorf("look through the backup: %w", err)
	}
	if err := database.SealFile(ctx, path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	t.Bytes = info.Size()
	return nil
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

// inspect goes through the file, and records what is in it.
func (t *Taken) inspect(ctx context.Context, o Options, path string) (err error) {
	db, err := database.Open(ctx, database.Options{File: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var unreadable error
	work, ctxOfBoth := errgroup.WithContext(ctx)
	work.Go(func() (err error) { t.Found, err = integrity.Check(ctxOfBoth, db, o.Invariants); return err })
	work.Go(func() error { t.Digest, unreadable = clone.Sum(ctxOfBoth, db); return ctxOfBoth.Err() })
	if err := work.Wait(); err != nil {
		return err
	}
	if unreadable != nil && t.Found.Err() != nil { // which says more of it
		t.Digest = ""
		return nil
	}
	if unreadable != nil {
		return unreadable
	}
	return db.RecordDigest(ctx, t.Digest)
}
