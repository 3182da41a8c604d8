package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// A session's last write is kept, where there are standbys to read from: a
// standby answers the session once it has replayed that. It is the number of the
// transaction, which is known within it, as the position of its commit is not.
//
// The numbers are those of one PostgreSQL server, so a copy goes without them.

// OfOneServer are the tables that a copy of the database goes without.
func OfOneServer() []string { return []string{"session_writes"} }

type writtenKey struct{}

// MayLag lets a standby answer what the caller reads, if there is one.
func (g *Gate) MayLag(ctx context.Context) (context.Context, bool) {
	if !g.db.ReadsStandbys() {
		return ctx, false
	}
	c := From(ctx)
	return database.MayLag(ctx, database.Mark{Session: c.SessionID, Transaction: c.written}), true
}

// WrittenBy says whose the transaction of the context is, where nobody passed
// the gate: at log-in and at a refresh.
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

// keepCallersWrite is the last thing in a transaction, so that whoever waits for
// another of the same session holds nothing that this one still needs.
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
		return fmt.Errorf("keep the session's last write: %w", err)
	}
	return nil
}
