package database

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// Group commit: SQLite has one writer, and the fsync of a commit takes longer than the
// rest of a request's transaction. So transactions that wait for the writer form a
// group, which is one transaction of SQLite. Each member runs in a savepoint of its
// own. The member behind which no other waits commits for all. No member reports
// success before that. If the commit fails, or the disk is full while a member runs,
// all members fail.
const (
	maxGroupSize = 64
	maxGroupAge  = 10 * time.Millisecond // from the beginning of the group to the beginning of its last member

	savepoint           = "SAVEPOINT member"
	rollbackToSavepoint = "ROLLBACK TO member"
	releaseSavepoint    = "RELEASE member"
)

type groupCommit struct {
	db      *DB
	writer  chan struct{} // contains an element while a member runs; a lock whose wait ends with the context
	waiting atomic.Int64  // the number of transactions that wait for the writer
	open    *group        // nil between groups; only the owner of the writer may access it
}

// group is a transaction of SQLite with one or more members.
type group struct {
	conn  *sql.Conn
	tx    *sql.Tx
	gorm  *gorm.DB
	began time.Time
	size  int
	alone bool // no other transaction may join
	file  *opened
	done  chan struct{}
	err   error // of all members; valid once done is closed
}

func newGroupCommit(d *DB) *groupCommit { return &groupCommit{db: d, writer: make(chan struct{}, 1)} }

// do runs fn and returns when what it wrote has been committed.
func (c *groupCommit) do(ctx context.Context, own *transaction, fn func(context.Context) error) error {
	c.waiting.Add(1)
	select {
	case c.writer <- struct{}{}:
		c.waiting.Add(-1)
	case <-ctx.Done():
		c.waiting.Add(-1)
		go c.commitAbandoned()
		return ctx.Err()
	}
	if own.alone && c.open != nil {
		c.commit()
	}
	g, err := c.join(ctx)
	if err != nil {
		<-c.writer
		return err
	}
	// From here on the member does not end with the request: if SQLite interrupts a
	// statement, it rolls back the whole group.
	ctx = context.WithoutCancel(ctx)
	err = c.runMember(ctx, g, own, fn)
	<-g.done // a refusal too may rest on what another member wrote // mutant: commit-before-answer
	if g.err != nil && g.size > 1 && Fault(g.err) == nil {
		return errors.Join(errGroupRefused, g.err)
	}
	if g.err != nil {
		return g.err
	}
	return err
}

// errGroupRefused means that a commit was refused because of what one member wrote.
// Each member can be retried alone.
var errGroupRefused = errors.New("database: the commit of a group was refused")

// commitAbandoned is called for a transaction that waited and gave up. The last member
// may have left the commit to it.
func (c *groupCommit) commitAbandoned() {
	c.writer <- struct{}{}
	c.release()
}

// join returns the open group, or begins one.
func (c *groupCommit) join(ctx context.Context) (*group, error) {
	if c.open != nil {
		return c.open, nil
	}
	conn, err := c.db.writePool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	session := c.db.writer.Session(&gorm.Session{NewDB: true, Context: context.WithoutCancel(ctx)})
	session.Statement.ConnPool = tx
	c.open = &group{conn: conn, tx: tx, gorm: session, began: time.Now(), file: c.db.opened, done: make(chan struct{})}
	return c.open, nil
}

// runMember runs fn within the group, or rolls back what it did, and releases the
// writer.
func (c *groupCommit) runMember(ctx context.Context, g *group, own *transaction, fn func(context.Context) error) error {
	failure := errPanicked // unless fn returns
	defer func() {
		if failure != nil {
			g.rollbackMember(ctx, failure) // mutant: rollback
		}
		c.release()
	}()
	own.conn, g.alone = g.gorm, own.alone
	failure = g.inSavepoint(ctx, fn)
	return failure
}

func (g *group) inSavepoint(ctx context.Context, fn func(context.Context) error) error {
	if _, err := g.tx.ExecContext(ctx, savepoint); err != nil {
		return err
	}
	if err := fn(ctx); err != nil {
		return err
	}
	_, err := g.tx.ExecContext(ctx, releaseSavepoint)
	return err
}

var errPanicked = errors.New("database: a transaction panicked")

// rollbackMember rolls back what one member did. If that fails, SQLite has already
// rolled back the whole group because of the cause, such as a full disk or an I/O
// error.
func (g *group) rollbackMember(ctx context.Context, cause error) {
	_, err := g.tx.ExecContext(ctx, rollbackToSavepoint)
	if err == nil {
		_, err = g.tx.ExecContext(ctx, releaseSavepoint)
	}
	if err != nil && Fault(cause) == nil { // the member ignored SQLite's error
		cause = ErrUnavailable.WithCause(errors.Join(cause, err))
	}
	if err != nil {
		g.err = cause
	}
}

// release releases the writer. It commits, unless another transaction is waiting and
// will.
func (c *groupCommit) release() {
	if g := c.open; g != nil {
		g.size++
		if g.err != nil || g.alone || c.waiting.Load() == 0 || g.size >= maxGroupSize || time.Since(g.began) > maxGroupAge {
			c.commit()
		}
	}
	<-c.writer
}

func (c *groupCommit) commit() {
	g := c.open
	c.open = nil
	if g.err == nil {
		g.err = g.commit()
	} else {
		_ = g.tx.Rollback()
	}
	_ = g.conn.Close() // back to the pool
	g.err = c.db.translated(g.err)
	close(g.done)
}

// commit checks the file before the commit, so that nothing is written to the log of
// another file, and after it, so that what is acknowledged is in the file that has the
// name.
func (g *group) commit() error {
	if err := g.file.check(); err != nil {
		return errors.Join(err, g.tx.Rollback())
	}
	if err := g.tx.Commit(); err != nil {
		return err
	}
	return g.file.check()
}
