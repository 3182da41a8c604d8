package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// copiesKept is the number of copies kept of a SQLite file from before schema changes.
const copiesKept = 3

const asideTime = "20060102T150405.000000Z"

// CopyAside copies the SQLite file before its schema changes. It runs in the
// transaction that is about to change the schema, so nothing is written meanwhile, and
// readers, of which the copy is one, see what was committed.
func (d *DB) CopyAside(ctx context.Context) error {
	if d.driver != SQLite || !d.options.CopyBeforeMigrating {
		return nil
	}
	path := d.sqlitePath + ".before-" + d.options.Now().UTC().Format(asideTime)
	partial := path + ".partial"
	err := d.CopyFile(ctx, partial)
	if err == nil {
		err = PublishFile(partial, path)
	}
	if err != nil {
		RemoveFiles(partial)
		return fmt.Errorf("copy %s aside before its schema changes (DATABASE_COPY_BEFORE_MIGRATING=false leaves that out): %w", d.sqlitePath, err)
	}
	d.options.Log.InfoContext(ctx, "copied aside before the schema changes", "file", path)
	copies, err := d.copiesAside()
	if err != nil {
		return err
	}
	for _, old := range copies[:max(0, len(copies)-copiesKept)] {
		RemoveFiles(old)
	}
	return nil
}

// copiesAside returns the copies that CopyAside made, the oldest first, and no other
// file with a similar name.
func (d *DB) copiesAside() (paths []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(d.sqlitePath)) // ordered by name
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		at, ours := strings.CutPrefix(e.Name(), filepath.Base(d.sqlitePath)+".before-")
		if _, err := time.Parse(asideTime, at); ours && err == nil {
			paths = append(paths, filepath.Join(filepath.Dir(d.sqlitePath), e.Name()))
		}
	}
	return paths, nil
}
