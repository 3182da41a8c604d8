package database

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errSharedConnections is what would otherwise come as prepared statements that
// exist already, or no more, on some requests.
var errSharedConnections = errors.New("DATABASE_URL leads through a pooler that shares connections between transactions: set DATABASE_POOL_MODE=transaction")

// poolTransactions asks nothing of a connection that outlives a transaction: a
// statement is parsed and run in one round trip, and its parameters have the types
// that their Go types stand for.
func poolTransactions(config *pgx.ConnConfig) {
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // mutant: pooled-statements
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
}

// checkPooling refuses a pooler in transaction mode that was not announced. Two
// connections that are open at once have two processes of the server behind
// them, unless a pooler shares one.
func (d postgresDialect) checkPooling(ctx context.Context) error {
	if d.options.TransactionPooling {
		return nil
	}
	one, err := d.writePool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = one.Close() }()
	first, direct, err := backend(ctx, one)
	if err != nil || direct {
		return err
	}
	another, err := d.writePool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = another.Close() }()
	second, _, err := backend(ctx, another)
	if err == nil && first == second { // mutant: unannounced-pooler
		return errSharedConnections
	}
	return err
}

// backend is the server's process behind a connection, and whether it is the one
// that the connection was made to: a pooler makes up a number of its own.
func backend(ctx context.Context, conn *sql.Conn) (pid uint64, direct bool, err error) {
	err = conn.Raw(func(driverConn any) error {
		conn, err := pgxConn(driverConn)
		if err != nil {
			return err
		}
		pg := conn.PgConn()
		results, err := pg.Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
		if err != nil {
			return err
		}
		pid, err = onlyNumber(results)
		direct = pid == uint64(pg.PID())
		return err
	})
	return pid, direct, err
}

func onlyNumber(results []*pgconn.Result) (uint64, error) {
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return 0, errors.New("database: not one number")
	}
	return strconv.ParseUint(string(results[0].Rows[0][0]), 10, 64)
}
