package database

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

const (
	txAttempts   = 10
	openAttempts = 11 // of SQLite, which can't wait while another turns the file to WAL: 4 s

	migrateAttempts = 11 // of PostgreSQL, half a second each and 4 s of pauses
)

type txKey struct{}

// transaction is what the context carries while one runs.
type transaction struct {
	db          *DB
	conn        *gorm.DB
	afterCommit []func()
	gathered    []*gathering
	alone       bool // it may not join a group (group commit)
}

// gathering is what one key has gathered, and what is done with it.
type gathering struct {
	key    any
	values []any
	flush  func(context.Context, []any) error
}

func (d *DB) current(ctx context.Context) *transaction {
	if t, ok := ctx.Value(txKey{}).(*transaction); ok && t.db == d {
		return t
	}
	return nil
}

// Conn is the transaction of the context, or, outside of one, a connection to
// read with: on SQLite it refuses to write. Every write is in InTx.
func (d *DB) Conn(ctx context.Context) *gorm.DB {
	if t := d.current(ctx); t != nil {
		return t.conn.WithContext(ctx)
	}
	conn := d.reader.WithContext(ctx)
	if err := d.refuseReplaced(); err != nil {
		_ = conn.AddError(err)
	}
	return conn
}

// InTx runs fn in a transaction, or in the one that already runs. It commits
// when fn returns nil and rolls back otherwise. What fails because others were
// at work at the same time is tried again, a bounded number of times: fn may
// run more than once and must leave no trace outside of the database. Slow work
// is done before: on SQLite others wait for it, and may be in its group commit.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return d.transact(ctx, d.dialect.begin, fn)
}

// InBulk is InTx for what may take long, and ends with its context. It takes no part
// in group commit.
func (d *DB) InBulk(ctx context.Context, fn func(ctx context.Context) error) error {
	return d.transact(ctx, d.separately, fn)
}

// A beginner runs fn in a transaction that it begins and ends.
type beginner func(ctx context.Context, t *transaction, fn func(context.Context) error) error

func (d *DB) separately(ctx context.Context, t *transaction, fn func(context.Context) error) error {
	err := d.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		t.conn = tx
		if err := fn(ctx); err != nil {
			return err
		}
		return d.InPlace()
	})
	if err != nil {
		return err
	}
	return d.InPlace()
}

func (d *DB) transact(ctx context.Context, begin beginner, fn func(ctx context.Context) error) error {
	if d.current(ctx) != nil {
		return fn(ctx)
	}
	return retrying(ctx, txAttempts, func() error {
		t := &transaction{db: d}
		ctx, ended := d.observed(ctx)
		run := func(ctx context.Context) error { return t.run(context.WithValue(ctx, txKey{}, t), fn) }
		err := begin(ctx, t, run)
		if errors.Is(err, errGroupRefused) {
			t = &transaction{db: d, alone: true}
			err = begin(ctx, t, run)
		}
		ended(err)
		d.noteWrite(err)
		if isStale(err) {
			d.reconnect()
		}
		if err != nil {
			return err
		}
		for _, f := range t.afterCommit {
			f()
		}
		return nil
	})
}

// run is everything in a transaction but its beginning and its end.
func (t *transaction) run(ctx context.Context, fn func(context.Context) error) error {
	if err := fn(ctx); err != nil {
		return err
	}
	for _, g := range t.gathered {
		if err := g.flush(ctx, g.values); err != nil {
			return err
		}
	}
	if t.db.lastly != nil {
		return t.db.lastly(ctx)
	}
	return nil
}

// Snapshot runs fn in a transaction that reads all as it is at one moment, and
// writes nothing. SQLite's log grows for as long as it runs.
func (d *DB) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	o := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead} // SQLite has no other // mutant: export-snapshot
	return d.reader.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := d.dialect.prepareSnapshot(ctx, tx); err != nil {
			return err
		}
		return fn(context.WithValue(ctx, txKey{}, &transaction{db: d, conn: tx}))
	}, o)
}

// retrying runs fn again while it fails for what others do at the same time.
// The pauses double from 2 ms on average; each is anything up to twice that, so
// that those who collided don't meet again.
func retrying(ctx context.Context, attempts int, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt == attempts || !isRetryable(err) {
			return err
		}
		pause := rand.N(time.Duration(2<<attempt) * time.Millisecond) //nolint:gosec // only spreads retries
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Gather keeps a value until the transaction of the context is about to be
// committed, when flush gets all those of the same key: for what is written
// last, and at once.
func (d *DB) Gather(ctx context.Context, key, value any, flush func(context.Context, []any) error) {
	t := d.current(ctx)
	if t == nil {
		panic("database: Gather outside of a transaction")
	}
	for _, g := range t.gathered {
		if g.key == key {
			g.values = append(g.values, value)
			return
		}
	}
	t.gathered = append(t.gathered, &gathering{key: key, values: []any{value}, flush: flush})
}

// BeforeCommit runs f as the last thing in every transaction. It is said once,
// before there is any.
func (d *DB) BeforeCommit(f func(ctx context.Context) error) { d.lastly = f }

// AfterCommit runs f once the transaction of the context has been committed, or
// at once where there is none.
func (d *DB) AfterCommit(ctx context.Context, f func()) {
	if t := d.current(ctx); t != nil {
		t.afterCommit = append(t.afterCommit, f)
		return
	}
	f()
}
