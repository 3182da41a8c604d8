package database

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// copiesKept are there of a SQLite file as it was before its schema changed.
const copiesKept = 3

// copyAside makes a copy of the SQLite file before its schema changes, in the
// transaction that is about to change it: nobody writes meanwhile, and readers,
// of which the copy is one, see what was committed.
func (d *DB) copyAside(ctx context.Context) error {
	if d.driver != SQLite || !d.options.CopyBeforeMigrating {
		return nil
	}
	path := d.sqlitePath + ".before-" + d.options.Now().UTC().Format("20060102T150405.000000Z")
	if err := d.CopyFile(ctx, path); err != nil {
		return fmt.Errorf("copy %s aside before its schema changes (DATABASE_COPY_BEFORE_MIGRATING=false leaves that out): %w", d.sqlitePath, err)
	}
	d.options.Log.InfoContext(ctx, "copied aside before the schema changes", "file", path)
	copies, err := filepath.Glob(d.sqlitePath + ".before-*Z")
	if err != nil {
		return err
	}
	slices.Sort(copies)
	for _, old := range copies[:max(0, len(copies)-copiesKept)] {
		RemoveFiles(old)
	}
	return nil
}
