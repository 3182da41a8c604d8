package database

import (
	"context"
	"fmt"
)

// digestTable exists only in a backup. It has the digest of the contents at the time of
// the backup.
const digestTable = "guildhall_backup"

// digestFormat is the version of clone.Sum. A different way to compute it gets another
// number.
const digestFormat = 1

// RecordDigest writes the digest of a SQLite file's contents into it.
func (d *DB) RecordDigest(ctx context.Context, digest string) error {
	if err := d.DeleteDigest(ctx); err != nil { // a backup may have been used as a database
		return err
	}
	_, err := d.writePool.ExecContext(ctx, "CREATE TABLE "+digestTable+" (format bigint NOT NULL PRIMARY KEY, digest text NOT NULL)")
	if err == nil {
		_, err = d.writePool.ExecContext(ctx, "INSERT INTO "+digestTable+" (format, digest) VALUES (?, ?)", digestFormat, digest)
	}
	if err != nil {
		return fmt.Errorf("record the digest: %w", err)
	}
	return nil
}

// RecordedDigest returns the digest, or an empty string if none is recorded that this
// version knows.
func (d *DB) RecordedDigest(ctx context.Context) (digest string, err error) {
	there, err := d.hasDigest(ctx)
	if err != nil || !there {
		return "", err
	}
	err = d.writePool.QueryRowContext(ctx, "SELECT digest FROM "+digestTable+" WHERE format = ?", digestFormat).Scan(&digest)
	if IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the digest: %w", err)
	}
	return digest, nil
}

// DeleteDigest removes the recorded digest. It is called before a database changes.
func (d *DB) DeleteDigest(ctx context.Context) error {
	there, err := d.hasDigest(ctx)
	if err != nil || !there {
		return err
	}
	if _, err := d.writePool.ExecContext(ctx, "DROP TABLE "+digestTable); err != nil {
		return fmt.Errorf("delete the digest: %w", err)
	}
	return nil
}

func (d *DB) hasDigest(ctx context.Context) (bool, error) {
	if d.driver != SQLite {
		return false, nil
	}
	there, err := d.hasTable(d.reader.WithContext(ctx), digestTable)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", digestTable, err)
	}
	return there, nil
}
