package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// With standbys, the gate stores the last write of each session: a standby answers the
// session's requests only after it has replayed that write. The write is identified by its
// transaction id, which is known within the transaction; the position of the commit is not.
//
// Transaction ids are local to one PostgreSQL server, so copies of a database omit them.

// ServerLocalTables returns the tables that a copy of the database omits.
func ServerLocalTables() []string { return []string{"session_writes"} }

type writtenKey struct{}

// MayLag returns a context in which a standby may answer the caller's reads, and whether
// the database has standbys.
func (g *Gate) MayLag(ctx context.Context) (context.Context, bool) {
	if !g.db.ReadsStandbys() {
		return ctx, false
	}
	c := From(ctx)
	return database.MayLag(ctx, database.Mark{Session: c.SessionID, Transaction: c.written}), true
}

// WrittenBy names the session of the context's transaction, for requests without a caller:
// log-in and refresh.
func (g *Gate) WrittenBy(ctx context.Context, sessionID uuid.UUID) {
	if !g.db.ReadsStandbys() {
		return
	}
	g.db.Gather(ctx, writtenKey{}, sessionID, func(ctx context.Context, ids []any) error {
		for _, id := range ids {
			if err := g.keepWrite(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepCallersWrite runs last in a transaction. So a transaction that waits here for
// another one of the same session holds no lock that the other still needs.
func (g *Gate) keepCallersWrite(ctx context.Context) error {
	if c := From(ctx); c.UserID != uuid.Nil {
		return g.keepWrite(ctx, c.SessionID) // mutant: last-write
	}
	return nil
}

func (g *Gate) keepWrite(ctx context.Context, sessionID any) error {
	err := g.db.Conn(ctx).Exec(`INSERT INTO session_writes (session_id, transaction_id)
		VALUES (?, CAST(CAST(pg_current_xact_id() AS text) AS bigint))
		ON CONFLICT (session_id) DO UPDATE SET transaction_id = GREATEST(session_writes.transaction_id, excluded.transaction_id)`, sessionID).Error
	if err != nil {
		return fmt.Errorf("save the session's last write: %w", err)
	}
	return nil
}
