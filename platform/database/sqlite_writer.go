package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/mattn/go-sqlite3"

	"guildhall/platform/recent"
)

// writerConnector opens the connection that writes to SQLite.
type writerConnector struct {
	sqliteConnector
	watch *Watch
}

func (c writerConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.sqliteConnector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	version, err := conn.Prepare(dataVersion)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w := &writerConn{
		SQLiteConn: conn.(*sqlite3.SQLiteConn), version: version.(*sqlite3.SQLiteStmt),
		watch: c.watch, verdicts: recent.New[string, bool](2 * preparedStatements),
	}
	w.RegisterAuthorizer(w.authorize)
	return w, nil
}

// writerConn records of each transaction whether it invalidates what is cached. SQLite
// reports to an authorizer what a statement writes when it prepares the statement. That
// includes what triggers and the actions of foreign keys write.
//
// The driver keeps prepared statements. So a verdict is stored for each text, for
// longer than the statement is kept. A statement without a verdict invalidates. After a
// schema change, SQLite prepares a statement again at its first step, which the driver
// takes within the call.
type writerConn struct {
	*sqlite3.SQLiteConn
	version  *sqlite3.SQLiteStmt // reads PRAGMA data_version
	watch    *Watch
	verdicts *recent.Map[string, bool] // whether a statement invalidates, by its text

	changed      bool // the transaction invalidates
	writes       bool // SQLite has reported a write of the current statement
	prepared     bool // SQLite has prepared the current statement
	invalidating bool // the current statement invalidates
}

// authorize is called by SQLite while it prepares a statement. An INSERT that is not the
// statement's first write is a trigger's. It may be a REPLACE, of which SQLite does not
// report the rows that it deletes.
func (c *writerConn) authorize(action int, first, second, _ string) int {
	c.prepared = true
	invalidates := c.watch.invalidatedBy(action, first, second)
	if action == sqlite3.SQLITE_INSERT && c.writes {
		invalidates = invalidates || c.watch.invalidatedByWrite(Write{Operation: Delete, Table: first})
	}
	if invalidates {
		c.changed, c.invalidating = true, true
	}
	switch action {
	case sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE:
		c.writes = true
	}
	return sqlite3.SQLITE_OK
}

// begin and end are called before and after the driver runs a statement.
func (c *writerConn) begin() { c.prepared, c.invalidating, c.writes = false, false, false }

func (c *writerConn) end(text string) {
	if c.prepared {
		c.verdicts.Keep(text, c.invalidating || isAmbiguous(text))
	}
	invalidates, known := c.verdicts.Find(text)
	c.changed = c.changed || invalidates || !known
}

// isAmbiguous reports whether the authorizer may not see everything that a text writes:
// the rows that REPLACE deletes, unlike the function of that name, and the second of two
// statements if it is already prepared.
func isAmbiguous(text string) bool {
	withoutFunctions := strings.ReplaceAll(strings.ToUpper(text), "REPLACE(", "")
	return strings.Contains(text, ";") || strings.Contains(withoutFunctions, "REPLACE")
}

func (c *writerConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.begin()
	defer c.end(text)
	return c.SQLiteConn.ExecContext(ctx, text, args)
}

func (c *writerConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.begin()
	defer c.end(text)
	return c.SQLiteConn.QueryContext(ctx, text, args)
}

// PrepareContext is for a statement that only one transaction runs.
func (c *writerConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	c.begin()
	defer c.end(text)
	return c.SQLiteConn.PrepareContext(ctx, text)
}

func (c *writerConn) Close() error { return errors.Join(c.version.Close(), c.SQLiteConn.Close()) }

func (c *writerConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.changed = false
	tx, err := c.SQLiteConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &writerTx{tx, c}, nil
}

type writerTx struct {
	driver.Tx
	conn *writerConn
}

// Commit reports the commit to the watch. Until then, Epoch takes it for another
// process's commit.
func (t *writerTx) Commit() error {
	before, unsure := t.conn.watch.begin(t.conn.version)
	err := t.Tx.Commit()
	t.conn.watch.end(t.conn.version, before, t.conn.changed || unsure != nil || err != nil)
	return err
}
