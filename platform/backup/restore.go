package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"guildhall/platform/access"
	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/integrity"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
)

// RestoreOptions are the parameters of a restore.
type RestoreOptions struct {
	File       string
	Input      io.Reader           // instead of a file
	Migrations []migrate.Migration // of this version
	Invariants []schema.Invariant
	// Finish changes data that must not be restored as it was: sessions that ended
	// after the backup must not become valid again. It runs before the restored
	// database is published.
	Finish func(ctx context.Context, db *database.DB) error
	// Unsound accepts a backup despite problems in it.
	Unsound bool
	// Digest is the digest that the contents must have, regardless of the one in the
	// file. It may be empty.
	Digest   string
	Progress func(clone.Progress)
}

// Restored is the result of a restore.
type Restored struct {
	Found    integrity.Report
	Digest   string // of the backup's contents; empty if they can't be read
	Verified bool   // it equals the one in the file or in Options.Digest
}

// ErrAltered means that a backup's contents are not those that it was made with.
var ErrAltered = errors.New("the backup was altered after it was made")

// ToFile restores to a SQLite file. It refuses a path that exists.
func ToFile(ctx context.Context, o RestoreOptions, path string) (Restored, error) {
	if err := database.RequireNothing(path); err != nil {
		return Restored{}, fmt.Errorf("a restore does not overwrite files: %w\nstop the service, move all of them away, restore, and start the service: mkdir lost && mv %s* lost/", err, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Restored{}, err
	}
	working := path + ".restoring"
	database.RemoveFiles(working) // left by an interrupted restore
	defer database.RemoveFiles(working)
	r, err := prepare(ctx, o, working)
	if err != nil {
		return r, err
	}
	if err := database.SealFile(ctx, working); err != nil {
		return r, err
	}
	return r, database.PublishFile(working, path)
}

// ToDatabase restores to an empty PostgreSQL database. The service does not start on it
// before the restore is complete.
func ToDatabase(ctx context.Context, o RestoreOptions, target *database.DB) (r Restored, err error) {
	dir, err := os.MkdirTemp("", "guildhall-restore-")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	working := filepath.Join(dir, "restoring.db")
	if r, err = prepare(ctx, o, working); err != nil {
		return r, err
	}
	source, err := database.Open(ctx, database.Options{File: working})
	if err != nil {
		return r, err
	}
	defer source.Close()
	_, err = clone.Copy(ctx, clone.Options{From: source, To: target, Migrations: o.Migrations, Without: access.ServerLocalTables(), Remade: signing.Remade(), Progress: o.Progress})
	return r, err
}

// receive writes the input to a private file. It refuses what is not a backup at its
// first bytes.
func receive(ctx context.Context, from io.Reader, path string) error {
	in := bufio.NewReaderSize(whileWanted{ctx, from}, 1<<20)
	if first, _ := in.Peek(len(database.FileHeader)); string(first) != database.FileHeader {
		return errors.New("the input is not a SQLite file")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

func (o RestoreOptions) fetch(ctx context.Context, working string) error {
	if o.Input != nil {
		return receive(ctx, o.Input, working)
	}
	return database.CopyClosedFile(ctx, o.File, working)
}

// prepare copies the backup, migrates the copy to this version, calls Finish and
// verifies everything. It only reads the backup itself.
func prepare(ctx context.Context, o RestoreOptions, working string) (r Restored, err error) {
	if err := o.fetch(ctx, working); err != nil {
		return r, fmt.Errorf("read the backup: %w", err)
	}
	db, err := database.Open(ctx, database.Options{File: working})
	if err != nil {
		return r, fmt.Errorf("read the backup: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	status, err := migrate.StatusOf(ctx, db, o.Migrations)
	switch {
	case err != nil:
		return r, fmt.Errorf("read the backup: %w", err)
	case len(status.Unknown) > 0:
		return r, fmt.Errorf("restore the backup: %w", migrate.ErrSchemaNewer)
	case len(status.Applied) == 0:
		return r, errors.New("it is a SQLite file, but not a backup of guildhall")
	}
	altered := r.verify(ctx, o, db)
	if altered != nil && (!o.Unsound || !errors.Is(altered, ErrAltered)) {
		return r, altered
	}
	if err := db.DeleteDigest(ctx); err != nil {
		return r, err
	}
	if _, err := migrate.Up(ctx, db, o.Migrations); err != nil {
		return r, fmt.Errorf("migrate the backup to this version: %w", err)
	}
	// A trigger in the backup must not take effect.
	if err := integrity.CheckSchema(ctx, db, o.Migrations); err != nil && !o.Unsound {
		return r, err
	}
	if err := o.Finish(ctx, db); err != nil {
		return r, err
	}
	if r.Found, err = integrity.Check(ctx, db, o.Invariants); err != nil {
		return r, fmt.Errorf("verify the backup: %w", err)
	}
	if !o.Unsound {
		return r, r.Found.Err()
	}
	if altered != nil {
		r.Found.Problems = append([]integrity.Problem{{What: altered.Error()}}, r.Found.Problems...)
	}
	return r, nil
}

// verify compares the backup's contents with the digest recorded when it was made.
func (r *Restored) verify(ctx context.Context, o RestoreOptions, db *database.DB) error {
	recorded, err := db.RecordedDigest(ctx)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	is, err := clone.Sum(ctx, db)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && recorded == "" && o.Digest == "":
		return nil // integrity.Check explains better what can't be read
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAltered, err)
	}
	r.Digest, r.Verified = is, recorded != "" || o.Digest != ""
	if o.Digest != "" && o.Digest != is {
		return fmt.Errorf("this is not the requested backup: its contents have the digest %s, not %s", is, o.Digest)
	}
	if recorded != "" && recorded != is {
		return fmt.Errorf("%w: its contents have the digest %s, and it was made with %s (take another backup, or --unsound)", ErrAltered, is, recorded)
	}
	return nil
}
