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
	openAttempts = 11 // of SQLite, which can't wait while another process switches the file to WAL: 4 s

	migrateAttempts = 11 // of PostgreSQL: half a second each, and pauses of 4 s
)

type txKey struct{}

// transaction is what the context carries while a transaction runs.
type transaction struct {
	db          *DB
	conn        *gorm.DB
	afterCommit []func()
	gathered    []*gathering
	alone       bool // it may not join a group (group commit)
}

// gathering is the values gathered for one key, and the function that writes them.
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

// Conn returns the transaction of the context or, outside of one, a connection for
// reads, which refuses to write on SQLite. Every write must be in InTx.
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

// InTx runs fn in a transaction, or in the one that already runs. It commits when fn
// returns nil and rolls back otherwise. It retries a transaction that fails because of
// concurrent ones, a bounded number of times. So fn may run more than once and must
// have no effect outside of the database. Do slow work before the transaction: on
// SQLite other transactions wait for it, and may be in its group commit.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return d.transact(ctx, d.dialect.begin, fn)
}

// InBulk is InTx for a transaction that may take long. It ends with its context and
// takes no part in group commit.
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

// run does everything in a transaction except for its beginning and its end.
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

// Snapshot runs fn in a transaction that reads the state of one moment and writes
// nothing. SQLite's log grows for as long as it runs.
func (d *DB) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	o := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead} // SQLite has no other // mutant: export-snapshot
	return d.reader.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := d.dialect.prepareSnapshot(ctx, tx); err != nil {
			return err
		}
		return fn(context.WithValue(ctx, txKey{}, &transaction{db: d, conn: tx}))
	}, o)
}

// retrying retries fn while it fails because of concurrent transactions. The pauses
// double from an average of 2 ms. Each is random, up to twice its average, so that
// transactions that collided don't collide again.
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

// Gather keeps a value until just before the commit of the context's transaction. Then
// flush gets all values of the same key. It is for rows that are written last, and all
// at once.
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

// BeforeCommit sets f to run at the end of every transaction. It must be called once,
// before the first transaction.
func (d *DB) BeforeCommit(f func(ctx context.Context) error) { d.lastly = f }

// AfterCommit runs f after the transaction of the context has been committed, or at
// once outside of a transaction.
func (d *DB) AfterCommit(ctx context.Context, f func()) {
	if t := d.current(ctx); t != nil {
		t.afterCommit = append(t.afterCommit, f)
		return
	}
	f()
}
