package database

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type laterKey struct{}

// Later is Exec for a statement of a transaction that nothing waits for: it has
// run before the transaction's next query, or at its commit, in the order given.
// What fails fails the transaction. On PostgreSQL it costs no exchange of its own.
func (d *DB) Later(ctx context.Context, statement string, args ...any) error {
	_, err := d.Exec(context.WithValue(ctx, laterKey{}, true), statement, args...)
	return err
}

type overtakingKey struct{}

// Overtaking is for a query that need not see what Later has been given: it need
// not have that run first.
func Overtaking(ctx context.Context) context.Context {
	return context.WithValue(ctx, overtakingKey{}, true)
}

// queuingConnector makes connections that keep back a BEGIN and the statements of
// Later, and send them together with what is asked next, or with the COMMIT: an
// exchange with the server takes longer than most statements do. One that is to run
// first in each transaction goes with the BEGIN, or, where there is none, with the
// statement that is a transaction by itself.
type queuingConnector struct {
	driver.Connector
	first string
}

func (c queuingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := connectPlain(ctx, c.Connector)
	if err != nil {
		return nil, err
	}
	return &queuingConn{Conn: plain, first: c.first}, nil
}

type queuingConn struct {
	*stdlib.Conn
	first  string
	inTx   bool // in a transaction that queues
	begun  bool // the server knows of that transaction
	queued *pgx.Batch
	// opening is how many statements the transaction begins with.
	opening int
}

func (q *queuingConn) pgx() *pgx.Conn { return q.Conn.Conn() }

func (q *queuingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts != (driver.TxOptions{}) {
		return q.beginAtOnce(ctx, opts)
	}
	if q.pgx().IsClosed() {
		return nil, driver.ErrBadConn
	}
	q.inTx, q.begun, q.queued = true, false, nil
	q.queue("begin", nil)
	q.queueFirst()
	q.opening = q.queued.Len()
	return &queuingTx{ctx: ctx, conn: q}, nil
}

func (q *queuingConn) beginAtOnce(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := q.Conn.BeginTx(ctx, opts)
	if err != nil || q.first == "" {
		return tx, err
	}
	if _, err := q.Conn.ExecContext(ctx, q.first, nil); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

func (q *queuingConn) queueFirst() {
	if q.first != "" {
		q.queue(q.first, nil)
	}
}

// byItself is said of a statement that is no part of a transaction.
func (q *queuingConn) byItself() bool { return q.queued == nil && q.pgx().PgConn().TxStatus() == 'I' }

// notBegun refuses what comes after a BEGIN that failed: it would run outside of
// the transaction.
func (q *queuingConn) notBegun() error {
	if q.inTx && !q.begun && q.queued == nil {
		return errors.New("database: the transaction has not begun")
	}
	return nil
}

func (q *queuingConn) queue(statement string, args []driver.NamedValue) {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	if q.queued == nil {
		q.queued = &pgx.Batch{}
	}
	q.queued.Queue(statement, values...)
}

func (q *queuingConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	if err := q.notBegun(); err != nil {
		return nil, err
	}
	if later, _ := ctx.Value(laterKey{}).(bool); later && q.inTx {
		q.queue(statement, args)
		return driver.RowsAffected(0), nil
	}
	if q.byItself() {
		q.queueFirst()
	}
	if q.queued == nil {
		return q.Conn.ExecContext(ctx, statement, args)
	}
	q.queue(statement, args)
	tag, err := q.send(ctx)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (q *queuingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := q.notBegun(); err != nil {
		return nil, err
	}
	if q.byItself() {
		q.queueFirst()
	}
	overtakes, _ := ctx.Value(overtakingKey{}).(bool)
	if q.queued == nil || overtakes && q.begun {
		return q.Conn.QueryContext(ctx, query, args)
	}
	before := q.queued.Len()
	q.queue(query, args)
	results := q.sendBatch(ctx)
	if _, err := passOver(results, before); err != nil {
		_ = results.Close()
		return nil, err
	}
	q.begun = q.inTx
	return newBatchRows(results)
}

// PrepareContext would make statements that overtake what is queued.
func (*queuingConn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("database: statements are not prepared by hand")
}

func (q *queuingConn) sendBatch(ctx context.Context) pgx.BatchResults {
	batch := q.queued
	q.queued = nil
	return q.pgx().SendBatch(ctx, batch)
}

// send runs what is queued, in one exchange, and returns what the last statement
// did.
func (q *queuingConn) send(ctx context.Context) (last pgconn.CommandTag, err error) {
	n := q.queued.Len()
	results := q.sendBatch(ctx)
	if last, err = passOver(results, n); err != nil {
		_ = results.Close()
		return last, err
	}
	q.begun = q.inTx
	return last, results.Close()
}

// passOver reads the results of n statements.
func passOver(results pgx.BatchResults, n int) (last pgconn.CommandTag, err error) {
	for range n {
		if last, err = results.Exec(); err != nil {
			return last, err
		}
	}
	return last, nil
}

// queuingTx ends a transaction that queuingConn began.
type queuingTx struct {
	ctx  context.Context //nolint:containedctx // database/sql gives Commit none
	conn *queuingConn
}

func (t *queuingTx) Commit() error {
	q := t.conn
	if err := q.notBegun(); err != nil {
		return err
	}
	q.inTx = false
	if !q.begun && q.queued.Len() == q.opening {
		q.queued = nil
		return nil
	}
	q.queue("commit", nil)
	tag, err := q.send(t.ctx)
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil {
		_ = t.Rollback()
	}
	return err
}

// Rollback closes a connection whose transaction it can't end.
func (t *queuingTx) Rollback() error {
	q := t.conn
	unheardOf := !q.begun && q.queued != nil
	q.inTx, q.queued = false, nil
	if unheardOf || q.pgx().PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := q.pgx().Exec(t.ctx, "rollback")
	if err != nil {
		_ = q.pgx().Close(t.ctx)
	}
	return err
}
