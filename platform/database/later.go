package database

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
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

// Overtaking is for a query that need not see what Later has been given: it does
// not have that run first.
func Overtaking(ctx context.Context) context.Context {
	return context.WithValue(ctx, overtakingKey{}, true)
}

// queuingConnector makes connections that keep the statements of Later back, and
// send them together: with the COMMIT, if nothing is asked before.
type queuingConnector struct{ driver.Connector }

func (c queuingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := connectPlain(ctx, c.Connector)
	if err != nil {
		return nil, err
	}
	return &queuingConn{Conn: plain}, nil
}

type queuingConn struct {
	*stdlib.Conn
	inTx   bool
	queued *pgx.Batch
}

func (q *queuingConn) pgx() *pgx.Conn { return q.Conn.Conn() }

func (q *queuingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := q.Conn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	q.inTx = true
	return &queuingTx{Tx: tx, ctx: ctx, conn: q}, nil
}

func (q *queuingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if later, _ := ctx.Value(laterKey{}).(bool); later && q.inTx {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a.Value
		}
		if q.queued == nil {
			q.queued = &pgx.Batch{}
		}
		q.queued.Queue(query, values...)
		return driver.RowsAffected(0), nil
	}
	if err := q.send(ctx); err != nil {
		return nil, err
	}
	return q.Conn.ExecContext(ctx, query, args)
}

func (q *queuingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if overtakes, _ := ctx.Value(overtakingKey{}).(bool); !overtakes {
		if err := q.send(ctx); err != nil {
			return nil, err
		}
	}
	return q.Conn.QueryContext(ctx, query, args)
}

// PrepareContext would make statements that overtake what is queued.
func (*queuingConn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("database: statements are not prepared by hand")
}

// send runs what is queued, in one exchange.
func (q *queuingConn) send(ctx context.Context) error {
	if q.queued == nil {
		return nil
	}
	batch := q.queued
	q.queued = nil
	results := q.pgx().SendBatch(ctx, batch)
	for range batch.Len() {
		tag, err := results.Exec()
		if err == nil && tag.String() == "ROLLBACK" { // to a COMMIT
			err = pgx.ErrTxCommitRollback
		}
		if err != nil {
			_ = results.Close()
			return err
		}
	}
	return results.Close()
}

type queuingTx struct {
	driver.Tx
	ctx  context.Context //nolint:containedctx // database/sql gives Commit none
	conn *queuingConn
}

func (t *queuingTx) Commit() error {
	t.conn.inTx = false
	if t.conn.queued == nil {
		return t.Tx.Commit()
	}
	t.conn.queued.Queue("commit")
	if err := t.conn.send(t.ctx); err != nil {
		_ = t.Tx.Rollback()
		return err
	}
	return nil
}

func (t *queuingTx) Rollback() error {
	t.conn.inTx, t.conn.queued = false, nil
	return t.Tx.Rollback()
}
