package main

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// group lets the goroutines that wait for SQLite's one writer share a transaction, which the
// last of them commits: an fsync takes longer than all their statements.
type group struct {
	turn    chan struct{}
	waiting atomic.Int64
	open    *grouped
}

type grouped struct {
	tx   *sql.Tx
	done chan struct{}
	err  error
}

func (g *group) do(ctx context.Context, pool *sql.DB, fn func(*sql.Tx) error) error {
	g.waiting.Add(1)
	g.turn <- struct{}{}
	g.waiting.Add(-1)
	t := g.open
	if t == nil {
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			<-g.turn
			return err
		}
		t = &grouped{tx: tx, done: make(chan struct{})}
		g.open = t
	}
	err := part(t.tx, fn)
	if g.waiting.Load() == 0 {
		g.open = nil
		t.err = t.tx.Commit()
		close(t.done)
	}
	<-g.turn
	<-t.done
	if err == nil {
		err = t.err
	}
	return err
}

func part(tx *sql.Tx, fn func(*sql.Tx) error) error {
	if _, err := tx.Exec("SAVEPOINT part"); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_, _ = tx.Exec("ROLLBACK TO part")
		_, _ = tx.Exec("RELEASE part")
		return err
	}
	_, err := tx.Exec("RELEASE part")
	return err
}
