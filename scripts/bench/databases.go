package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
	"guildhall/platform/seed"
)

const (
	sqlite   = "SQLite"
	postgres = "PostgreSQL"
)

// postgresSettings changes only memory and the size of the log. The other defaults stay,
// which lose nothing in a crash.
var postgresSettings = []string{"shared_buffers=512MB", "max_wal_size=4GB"}

// store creates databases of one kind.
type store interface {
	describe(ctx context.Context) (string, error)
	empty(ctx context.Context, name string) (url string, err error)
	// duplicate copies a database that is not in use.
	duplicate(ctx context.Context, from, name string) (url string, err error)
	bytes(ctx context.Context, url string) (int64, error)
	close()
}

func openStore(kind, dir string) (store, error) {
	if kind == sqlite {
		return files{dir}, nil
	}
	cluster, err := platformtest.StartCluster(postgresSettings...)
	if err != nil {
		return nil, err
	}
	return databases{cluster}, nil
}

// fill seeds a new database and returns its size in bytes.
func fill(ctx context.Context, from store, binary, dir, name string, size seed.Size) (url string, bytes int64, err error) {
	if url, err = from.empty(ctx, name); err != nil {
		return "", 0, err
	}
	decimal := func(n int64) string { return strconv.FormatInt(n, 10) }
	cmd := command(ctx, binary, "seed", "--yes-in", "production", "--users", decimal(size.Users),
		"--organizations", decimal(size.Organizations), "--members", decimal(size.Members))
	cmd.Dir, cmd.Env = dir, environment(url, "HOME="+dir, "MIGRATE_ON_START=true")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("guildhall seed: %w: %s", err, output)
	}
	bytes, err = from.bytes(ctx, url)
	return url, bytes, err
}

// files is the store of SQLite files.
type files struct{ dir string }

func (files) describe(ctx context.Context) (string, error) {
	return "WAL, synchronous=FULL", ctx.Err()
}

func (f files) path(name string) string { return filepath.Join(f.dir, name+".db") }

func (f files) empty(_ context.Context, name string) (string, error) {
	return "sqlite://" + f.path(name), nil
}

func (f files) duplicate(_ context.Context, from, name string) (string, error) {
	source, err := os.Open(strings.TrimPrefix(from, "sqlite://"))
	if err != nil {
		return "", err
	}
	defer source.Close()
	target, err := os.OpenFile(f.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		return "", err
	}
	return "sqlite://" + f.path(name), target.Sync() // now, not while something is measured
}

func (files) bytes(_ context.Context, url string) (int64, error) {
	info, err := os.Stat(strings.TrimPrefix(url, "sqlite://"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (files) close() {}

// databases is the store of databases on a PostgreSQL server.
type databases struct{ *platformtest.Cluster }

func (d databases) url(name string) string {
	return strings.Replace(d.AdminURL, "/postgres?", "/"+name+"?", 1)
}

func (d databases) describe(ctx context.Context) (version string, err error) {
	err = d.with(ctx, d.AdminURL, func(db *database.DB) error {
		return db.Row(ctx, "SHOW server_version").Scan(&version)
	})
	return version + ", fsync=on, " + strings.Join(postgresSettings, ", ") + ", over TCP", err
}

func (d databases) with(ctx context.Context, url string, do func(*database.DB) error) error {
	db, err := database.Open(ctx, database.Options{URL: databaseurl.Must(url), MaxConnections: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

func (d databases) exec(ctx context.Context, url, statement string) error {
	return d.with(ctx, url, func(db *database.DB) error { return db.Conn(ctx).Exec(statement).Error })
}

func (d databases) empty(ctx context.Context, name string) (string, error) {
	return d.url(name), d.exec(ctx, d.AdminURL, "CREATE DATABASE "+name)
}

func (d databases) duplicate(ctx context.Context, from, name string) (string, error) {
	_, rest, _ := strings.Cut(from, "//")
	_, path, _ := strings.Cut(rest, "/")
	source, _, _ := strings.Cut(path, "?")
	if err := d.exec(ctx, d.AdminURL, "CREATE DATABASE "+name+" TEMPLATE "+source); err != nil {
		return "", err
	}
	return d.url(name), d.exec(ctx, d.AdminURL, "CHECKPOINT") // now, not while something is measured
}

func (d databases) bytes(ctx context.Context, url string) (bytes int64, err error) {
	err = d.with(ctx, url, func(db *database.DB) error {
		return db.Row(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes)
	})
	return bytes, err
}

func (d databases) close() { d.Stop() }
