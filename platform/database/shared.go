package database

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// SQLite has one writer, and an fsync at each commit takes longer than all else
// that a request writes. So those that wait for their turn share a transaction:
// each runs its part, in a savepoint of its own, and the one behind whom nobody
// waits commits for all. Nobody is told of success before that; and where the
// commit fails, or the disk is full in the midst of it, all of them have failed.
const (
	mostSharing     = 64
	longestSharing  = 10 * time.Millisecond // from the first part to the last one's beginning
	savepoint       = "SAVEPOINT part"
	backToSavepoint = "ROLLBACK TO part"
	endOfSavepoint  = "RELEASE part"
)

type sharing struct {
	db      *DB
	turn    chan struct{} // holds one while somebody runs
	waiting atomic.Int64
	open    *shared // the transaction that is open; whoever has the turn may touch it
}

// shared is a transaction of several.
type shared struct {
	conn  *sql.Conn
	tx    *sql.Tx
	gorm  *gorm.DB
	began time.Time
	parts int
	alone bool // nobody else may join
	file  *opened
	done  chan struct{}
	err   error // of all of it, known once done
}

func newSharing(d *DB) *sharing { return &sharing{db: d, turn: make(chan struct{}, 1)} }

// do runs fn and returns when what it wrote has been committed.
func (s *sharing) do(ctx context.Context, own *transaction, fn func(context.Context) error) error {
	s.waiting.Add(1)
	select {
	case s.turn <- struct{}{}:
		s.waiting.Add(-1)
	case <-ctx.Done():
		s.waiting.Add(-1)
		go s.passBy() // somebody may have left the commit to this one
		return ctx.Err()
	}
	if own.alone && s.open != nil {
		s.end()
	}
	t, err := s.enter(ctx)
	if err != nil {
		<-s.turn
		return err
	}
	// From here on it does not end with the request: SQLite would roll everybody's
	// part back with a statement that is interrupted.
	ctx = context.WithoutCancel(ctx)
	err = s.part(ctx, t, own, fn)
	<-t.done // a refusal too may rest on what another part wrote
	if t.err != nil && t.parts > 1 && Fault(t.err) == nil {
		return errors.Join(errTogether, t.err)
	}
	if t.err != nil {
		return t.err
	}
	return err
}

// errTogether is a commit that was refused for what one part of it wrote: each
// can be tried again by itself.
var errTogether = errors.New("database: a commit was refused for one of several")

func (s *sharing) passBy() {
	s.turn <- struct{}{}
	s.leave()
}

// enter begins a transaction, if none is open.
func (s *sharing) enter(ctx context.Context) (*shared, error) {
	if s.open != nil {
		return s.open, nil
	}
	conn, err := s.db.writePool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	g := s.db.writer.Session(&gorm.Session{NewDB: true, Context: context.WithoutCancel(ctx)})
	g.Statement.ConnPool = tx
	s.open = &shared{conn: conn, tx: tx, gorm: g, began: time.Now(), file: s.db.opened, done: make(chan struct{})}
	return s.open, nil
}

// part runs fn within the transaction, or undoes what it did, and gives the turn
// to the next.
func (s *sharing) part(ctx context.Context, t *shared, own *transaction, fn func(context.Context) error) error {
	failure := errPanicked // unless it comes to its end
	defer func() {
		if failure != nil {
			t.undo(ctx, failure)
		}
		s.leave()
	}()
	own.conn, t.alone = t.gorm, own.alone
	failure = t.try(ctx, fn)
	return failure
}

func (t *shared) try(ctx context.Context, fn func(context.Context) error) error {
	if _, err := t.tx.ExecContext(ctx, savepoint); err != nil {
		return err
	}
	if err := fn(ctx); err != nil {
		return err
	}
	_, err := t.tx.ExecContext(ctx, endOfSavepoint)
	return err
}

var errPanicked = errors.New("database: a transaction panicked")

// undo takes back one part. Where that can't be done SQLite has rolled back all
// of it, for what the part failed with: a full disk, an error of the disk.
func (t *shared) undo(ctx context.Context, cause error) {
	_, err := t.tx.ExecContext(ctx, backToSavepoint)
	if err == nil {
		_, err = t.tx.ExecContext(ctx, endOfSavepoint)
	}
	if err != nil && Fault(cause) == nil { // it was passed over
		cause = ErrUnavailable.WithCause(errors.Join(cause, err))
	}
	if err != nil {
		t.err = cause
	}
}

// leave gives up the turn, and ends the transaction unless somebody else will.
func (s *sharing) leave() {
	if t := s.open; t != nil {
		t.parts++
		if t.err != nil || t.alone || s.waiting.Load() == 0 || t.parts >= mostSharing || time.Since(t.began) > longestSharing {
			s.end()
		}
	}
	<-s.turn
}

func (s *sharing) end() {
	t := s.open
	s.open = nil
	t.finish()
	t.err = s.db.translated(t.err)
	close(t.done)
}

func (t *shared) finish() {
	if t.err == nil {
		t.err = t.commit()
	} else {
		_ = t.tx.Rollback()
	}
	_ = t.conn.Close() // to the pool
}

// commit looks before, so that nothing gets into the log beside another file, and
// after, so that what is acknowledged is in the file that has the name.
func (t *shared) commit() error {
	if err := t.file.check(); err != nil {
		return errors.Join(err, t.tx.Rollback())
	}
	if err := t.tx.Commit(); err != nil {
		return err
	}
	return t.file.check()
}
