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
)

// RestoreOptions say what is brought back to where.
type RestoreOptions struct {
	File       string
	Input      io.Reader           // instead of a file
	Migrations []migrate.Migration // of this version
	Invariants []schema.Invariant
	// Finish changes what must not be as it was: sessions that ended since the
	// backup must not live again. It runs before anything has its name.
	Finish func(ctx context.Context, db *database.DB) error
	// Unsound takes a backup although something is wrong with it.
	Unsound bool
	// Digest is what the contents must have, whatever the file says; or empty.
	Digest   string
	Progress func(clone.Progress)
}

// Restored is what was brought back.
type Restored struct {
	Found    integrity.Report
	Digest   string // of the backup's contents; empty where they can't be read
	Verified bool   // it is the one that the file or Options.Digest says
}

// ErrAltered is a backup whose contents are not those that it was made with.
var ErrAltered = errors.New("the backup was altered after it was made")

// ToFile restores to a SQLite file that is not there yet.
func ToFile(ctx context.Context, o RestoreOptions, path string) (Restored, error) {
	if err := database.RequireNothing(path); err != nil {
		return Restored{}, fmt.Errorf("restore into an empty place only: %w\nstop the service, move all of it away, restore, and start the service: mkdir lost && mv %s* lost/", err, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Restored{}, err
	}
	working := path + ".restoring"
	database.RemoveFiles(working) // of one that was cut off
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

// ToDatabase restores to an empty PostgreSQL database. Until it has all, the
// service does not start on it.
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
	_, err = clone.Copy(ctx, clone.Options{From: source, To: target, Migrations: o.Migrations, Without: access.OfOneServer(), Progress: o.Progress})
	return r, err
}

// receive writes what arrives to a file, which nobody else reads. What is no
// backup is refused at its first bytes.
func receive(ctx context.Context, from io.Reader, path string) error {
	in := bufio.NewReaderSize(whileWanted{ctx, from}, 1<<20)
	if first, _ := in.Peek(len(database.FileHeader)); string(first) != database.FileHeader {
		return errors.New("what arrives is not a SQLite file")
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

// prepare makes a copy of the backup, brings it to this version, finishes it and
// goes through all of it. The backup itself is only read.
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
		return r, errors.New("it is a SQLite file, but no backup of guildhall")
	}
	altered := r.verify(ctx, o, db)
	if altered != nil && (!o.Unsound || !errors.Is(altered, ErrAltered)) {
		return r, altered
	}
	if err := db.DeleteDigest(ctx); err != nil {
		return r, err
	}
	if _, err := migrate.Up(ctx, db, o.Migrations); err != nil {
		return r, fmt.Errorf("bring the backup to this version: %w", err)
	}
	// What the backup itself would do at a statement must not have a say.
	if err := integrity.CheckSchema(ctx, db, o.Migrations); err != nil && !o.Unsound {
		return r, err
	}
	if err := o.Finish(ctx, db); err != nil {
		return r, err
	}
	if r.Found, err = integrity.Check(ctx, db, o.Invariants); err != nil {
		return r, fmt.Errorf("look through the backup: %w", err)
	}
	if !o.Unsound {
		return r, r.Found.Err()
	}
	if altered != nil {
		r.Found.Problems = append([]integrity.Problem{{What: altered.Error()}}, r.Found.Problems...)
	}
	return r, nil
}

// verify compares what the backup holds with what it held when it was made.
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
		return nil // integrity.Check says more of what can't be read
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAltered, err)
	}
	r.Digest, r.Verified = is, recorded != "" || o.Digest != ""
	if o.Digest != "" && o.Digest != is {
		return fmt.Errorf("this is not the backup that is asked for: its contents have the digest %s, not %s", is, o.Digest)
	}
	if recorded != "" && recorded != is {
		return fmt.Errorf("%w: its contents have the digest %s, and it was made with %s (take another backup, or --unsound)", ErrAltered, is, recorded)
	}
	return nil
}
