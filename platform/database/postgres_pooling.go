package database

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errSharedConnections replaces the errors that some requests would otherwise get: that
// a prepared statement already exists, or does not exist.
var errSharedConnections = errors.New("DATABASE_URL leads through a pooler that shares connections between transactions: set DATABASE_POOL_MODE=transaction")

// poolTransactions configures connections so that they need nothing on the server that
// outlives a transaction. A statement is parsed and run in one round trip, and the
// types of its parameters follow from their Go types.
func poolTransactions(config *pgx.ConnConfig) {
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // mutant: pooled-statements
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
}

// checkPooling refuses a pooler in transaction mode that DATABASE_POOL_MODE does not
// announce. Two connections that are open at once have two backend processes, unless a
// pooler shares one.
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

// backend returns the process ID of the backend behind a connection. direct reports
// whether it is the one that answered the connection: a pooler invents an ID of its
// own.
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
		return 0, errors.New("database: the query did not return one number")
	}
	return strconv.ParseUint(string(results[0].Rows[0][0]), 10, 64)
}
