package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"

	"guildhall/platform/fault"
)

// ErrUnavailable is the API's answer while the database can't be reached or written.
var ErrUnavailable = fault.New(fault.Unavailable, "storage_unavailable",
	"The database can't be reached or written right now. Try again.").WithRetryAfter(time.Second)

// IsDuplicate reports whether a unique constraint refused a write.
func IsDuplicate(err error) bool { return errors.Is(err, gorm.ErrDuplicatedKey) }

// IsForeignKey reports whether a foreign key refused a write.
func IsForeignKey(err error) bool { return errors.Is(err, gorm.ErrForeignKeyViolated) }

// isRetryable reports whether a transaction had no effect and may succeed if it runs
// again. Distributed engines return 40001 at the commit as well.
func isRetryable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" || isLockTimeout(err)
	}
	var lite sqlite3.Error
	return errors.As(err, &lite) && (lite.Code == sqlite3.ErrBusy || lite.Code == sqlite3.ErrLocked)
}

func isLockTimeout(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03"
}

// Fault returns ErrUnavailable for an error that the database causes and not the
// request. It returns nil for any other error.
func Fault(err error) *fault.Error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	if wasFiltered(err) {
		return ErrUnavailable.WithCause(fmt.Errorf("%w: %w", errRowSecurityOn, err))
	}
	if isRetryable(err) || unreachable(err) {
		return ErrUnavailable.WithCause(err)
	}
	return nil
}

func unreachable(err error) bool {
	var elsewhere misplaced
	if errors.As(err, &elsewhere) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// 08: connection. 53: resources (disk full, too many connections). 57P:
		// shutdown. 57014: statement_timeout. 25006: read-only, a standby or a primary
		// that became one. 40003: the transaction may have been committed or not, as
		// when the connection is lost at the commit; a retry with an Idempotency-Key
		// finds out.
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") ||
			strings.HasPrefix(pg.Code, "57P") || pg.Code == "57014" || pg.Code == "25006" || pg.Code == "40003"
	}
	var lite sqlite3.Error
	if errors.As(err, &lite) {
		switch lite.Code {
		case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrReadonly:
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error // the deadline of a request is a net.Error too
	return errors.As(err, &connect) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		// The server died while it answered, or before the request was sent.
		errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) // mutant: lost-database
}

// isStale reports whether the other connections of the pool are likely to be unusable
// too. Either the server does not take writes, or no longer, and the pool might keep
// connections to it forever; or the server is closing connections because it shuts
// down.
func isStale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "25006" || pg.Code == "57P01" || pg.Code == "57P02")
}
