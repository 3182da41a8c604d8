package database

import (
	"context"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

const maxAttempts = 6

type txKey struct{}

// transaction is what the context carries while one runs.
type transaction struct {
	db          *DB
	conn        *gorm.DB
	afterCommit []func()
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
	return d.reader.WithContext(ctx)
}

// InTx runs fn in a transaction, or in the one that already runs. It commits
// when fn returns nil and rolls back otherwise. What fails because others were
// at work at the same time is tried again, a bounded number of times: fn may
// run more than once and must leave no trace outside of the database. Slow work
// is done before.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if d.current(ctx) != nil {
		return fn(ctx)
	}
	for attempt := 1; ; attempt++ {
		t := &transaction{db: d}
		err := d.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			t.conn = tx
			return fn(context.WithValue(ctx, txKey{}, t))
		})
		if err == nil {
			for _, f := range t.afterCommit {
				f()
			}
			return nil
		}
		if attempt == maxAttempts || !isRetryable(err) {
			return err
		}
		pause := time.Duration(1<<attempt)*time.Millisecond + time.Duration(rand.Int64N(int64(5*time.Millisecond))) //nolint:gosec // only spreads retries
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// AfterCommit runs f once the transaction of the context has been committed, or
// at once where there is none.
func (d *DB) AfterCommit(ctx context.Context, f func()) {
	if t := d.current(ctx); t != nil {
		t.afterCommit = append(t.afterCommit, f)
		return
	}
	f()
}
