package database

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type queueKey struct{}

// Queue is Exec for a statement whose result the transaction does not need. The
// statement runs before the transaction's next query, or at its commit, in the order of
// the calls. If it fails, the transaction fails. On PostgreSQL it costs no round trip
// of its own.
func (d *DB) Queue(ctx context.Context, statement string, args ...any) error {
	_, err := d.Exec(context.WithValue(ctx, queueKey{}, true), statement, args...)
	return err
}

type bypassKey struct{}

// BypassQueue is for a query that does not read what queued statements write. The query
// then runs without them.
func BypassQueue(ctx context.Context) context.Context {
	return context.WithValue(ctx, bypassKey{}, true)
}

// pipelineConnector creates connections that queue a BEGIN and the statements of Queue.
// They send the queue in one pipeline with the next query or the COMMIT, because a
// round trip to the server takes longer than most statements do. If each transaction
// has to begin with a statement, it is sent with the BEGIN, or with a statement that is
// a transaction by itself.
type pipelineConnector struct {
	driver.Connector
	first string
}

func (c pipelineConnector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := connectPlain(ctx, c.Connector)
	if err != nil {
		return nil, err
	}
	return &pipelineConn{Conn: plain, first: c.first}, nil
}

type pipelineConn struct {
	*stdlib.Conn
	first  string
	inTx   bool // in a transaction, whose statements are queued
	begun  bool // the server has received the BEGIN
	queued *pgx.Batch
	// opening is the number of statements that begin the transaction.
	opening int
}

func (p *pipelineConn) pgx() *pgx.Conn { return p.Conn.Conn() }

func (p *pipelineConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts != (driver.TxOptions{}) {
		return p.beginAtOnce(ctx, opts)
	}
	if p.pgx().IsClosed() {
		return nil, driver.ErrBadConn
	}
	p.inTx, p.begun, p.queued = true, false, nil
	p.queue("begin", nil)
	p.queueFirst()
	p.opening = p.queued.Len()
	return &pipelineTx{ctx: ctx, conn: p}, nil
}

func (p *pipelineConn) beginAtOnce(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := p.Conn.BeginTx(ctx, opts)
	if err != nil || p.first == "" {
		return tx, err
	}
	if _, err := p.Conn.ExecContext(ctx, p.first, nil); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

func (p *pipelineConn) queueFirst() {
	if p.first != "" {
		p.queue(p.first, nil)
	}
}

// byItself reports whether the next statement is a transaction by itself.
func (p *pipelineConn) byItself() bool { return p.queued == nil && p.pgx().PgConn().TxStatus() == 'I' }

// notBegun returns an error if the BEGIN failed: a statement after it would run outside
// of a transaction.
func (p *pipelineConn) notBegun() error {
	if p.inTx && !p.begun && p.queued == nil {
		return errors.New("database: the transaction has not begun")
	}
	return nil
}

func (p *pipelineConn) queue(statement string, args []driver.NamedValue) {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	if p.queued == nil {
		p.queued = &pgx.Batch{}
	}
	p.queued.Queue(statement, values...)
}

func (p *pipelineConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	if err := p.notBegun(); err != nil {
		return nil, err
	}
	if queued, _ := ctx.Value(queueKey{}).(bool); queued && p.inTx {
		p.queue(statement, args)
		return driver.RowsAffected(0), nil
	}
	if p.byItself() {
		p.queueFirst()
	}
	if p.queued == nil {
		return p.Conn.ExecContext(ctx, statement, args)
	}
	p.queue(statement, args)
	tag, err := p.send(ctx)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (p *pipelineConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := p.notBegun(); err != nil {
		return nil, err
	}
	if p.byItself() {
		p.queueFirst()
	}
	bypasses, _ := ctx.Value(bypassKey{}).(bool)
	if p.queued == nil || bypasses && p.begun {
		return p.Conn.QueryContext(ctx, query, args)
	}
	before := p.queued.Len()
	p.queue(query, args)
	results := p.sendBatch(ctx)
	if _, err := discard(results, before); err != nil {
		_ = results.Close()
		return nil, err
	}
	p.begun = p.inTx
	return newBatchRows(results)
}

// PrepareContext refuses: a prepared statement would run before those in the queue.
func (*pipelineConn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("database: statements are not prepared by hand")
}

func (p *pipelineConn) sendBatch(ctx context.Context) pgx.BatchResults {
	batch := p.queued
	p.queued = nil
	return p.pgx().SendBatch(ctx, batch)
}

// send runs the queue in one round trip and returns the last statement's command tag.
func (p *pipelineConn) send(ctx context.Context) (last pgconn.CommandTag, err error) {
	n := p.queued.Len()
	results := p.sendBatch(ctx)
	if last, err = discard(results, n); err != nil {
		_ = results.Close()
		return last, err
	}
	p.begun = p.inTx
	return last, results.Close()
}

// discard reads the results of n statements and returns the last one's command tag.
func discard(results pgx.BatchResults, n int) (last pgconn.CommandTag, err error) {
	for range n {
		if last, err = results.Exec(); err != nil {
			return last, err
		}
	}
	return last, nil
}

// pipelineTx is a transaction of pipelineConn.
type pipelineTx struct {
	ctx  context.Context //nolint:containedctx // database/sql gives Commit none
	conn *pipelineConn
}

func (t *pipelineTx) Commit() error {
	p := t.conn
	if err := p.notBegun(); err != nil {
		return err
	}
	p.inTx = false
	if !p.begun && p.queued.Len() == p.opening {
		p.queued = nil
		return nil
	}
	p.queue("commit", nil)
	tag, err := p.send(t.ctx)
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil {
		_ = t.Rollback()
	}
	return err
}

// Rollback closes the connection if it can't roll the transaction back.
func (t *pipelineTx) Rollback() error {
	p := t.conn
	unsent := !p.begun && p.queued != nil
	p.inTx, p.queued = false, nil
	if unsent || p.pgx().PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := p.pgx().Exec(t.ctx, "rollback")
	if err != nil {
		_ = p.pgx().Close(t.ctx)
	}
	return err
}
