// Package backup makes a backup of everything while the service runs, and restores it.
// A backup is a SQLite database, regardless of the service's database: it is made
// through SQLite's backup interface, or by copying one PostgreSQL snapshot. Any SQLite
// tool can open it, and it can be restored to either database.
//
// No file gets its final name before it has been verified: the file's integrity, the
// invariants and the audit log.
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
	"guildhall/platform/person"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
)

// Options are the parameters of a backup.
type Options struct {
	DB         *database.DB
	Migrations []migrate.Migration // of this version
	Invariants []schema.Invariant
	Progress   func(clone.Progress)
}

// Taken is a completed backup.
type Taken struct {
	Path   string
	Bytes  int64
	Found  integrity.Report
	Digest string // of the contents, as recorded in the file; empty if they can't be read
}

// ErrUnsound means that verification found a problem in the backed-up data.
var ErrUnsound = errors.New("the backup is not sound")

// Take makes a backup. It refuses a path that exists. If the data is not sound, the
// file keeps the suffix .unsound, so that it is not mistaken for a good backup, but
// what can be recovered still is.
func Take(ctx context.Context, o Options, path string) (Taken, error) {
	t := Taken{Path: path}
	if err := database.RequireNothing(path); err != nil {
		return t, err
	}
	partial := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
	database.RemoveFiles(partial) // left by an interrupted backup
	defer database.RemoveFiles(partial)
	if err := t.make(ctx, o, partial); err != nil {
		return t, err
	}
	var err error
	if unsound := t.Found.Err(); unsound != nil {
		t.Path = path + ".unsound"
		err = fmt.Errorf("%w, %s: %w", ErrUnsound, t.Path, unsound)
	}
	return t, errors.Join(err, database.PublishFile(partial, t.Path), noteErased(ctx, o.DB, path))
}

// noteErased adds whom the database knows as erased to the list beside a backup: an older
// backup there still has them.
func noteErased(ctx context.Context, db *database.DB, path string) error {
	people, err := person.ErasedIn(ctx, db)
	if err != nil {
		return err
	}
	return NoteErased(filepath.Dir(path), people...) // mutant: erased-beside-backup
}

// Stream makes a backup in TMPDIR and writes it to out after all of it has been
// verified. It writes nothing of an unsound backup.
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
		return t, fmt.Errorf("%w, so nothing was written (a backup to a file keeps the data): %w", ErrUnsound, unsound)
	}
	f, err := os.Open(partial)
	if err != nil {
		return t, err
	}
	defer f.Close()
	// A reader that closes early ends this process at once, so the file's name is
	// removed first. Windows can't remove an open file, and does not end the process
	// for that reason.
	_ = os.RemoveAll(dir)
	if _, err := io.Copy(out, whileWanted{ctx, f}); err != nil {
		return t, fmt.Errorf("write the backup: %w", err)
	}
	return t, nil
}

// whileWanted is a reader that fails when the context ends.
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

// make writes the file and verifies it.
func (t *Taken) make(ctx context.Context, o Options, path string) error {
	if err := write(ctx, o, path); err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	if err := t.inspect(ctx, o, path); err != nil {
		return fmt.Errorf("verify the backup: %w", err)
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
	_, err = clone.Copy(ctx, clone.Options{From: o.DB, To: target, Migrations: o.Migrations, Without: access.ServerLocalTables(), Remade: signing.Remade(), Progress: o.Progress})
	return errors.Join(err, target.Close())
}

// inspect verifies the file, and records the digest of its contents.
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
	if unreadable != nil && t.Found.Err() != nil { // which explains it better
		t.Digest = ""
		return nil
	}
	if unreadable != nil {
		return unreadable
	}
	return db.RecordDigest(ctx, t.Digest)
}
