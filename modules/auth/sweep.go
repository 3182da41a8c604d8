package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// sweepBatch is how many sessions go at once.
const sweepBatch = 500

// A session has ended when it was revoked, or else expired. Each person's last
// one stays, and their last in an organization: it tells which they used last.
// mutant: last-session
// mutant: revoked-session-retention
const forgettable = `SELECT s.id FROM sessions s WHERE COALESCE(s.revoked_at, s.expires_at) < ?
	AND EXISTS (SELECT 1 FROM sessions later WHERE later.user_id = s.user_id AND later.rotated_at > s.rotated_at
		AND (later.organization_id IS NOT NULL OR s.organization_id IS NULL))
	LIMIT ?`

// sweep implements schema.Sweep.
func (m *Module) sweep(ctx context.Context) (int64, error) {
	return m.sessions.sweep(ctx, m.now().Add(-m.options.SessionRetention))
}

// sweep forgets sessions that ended before a time, a batch of them. It looks for
// them outside of the transaction, so that nobody waits while it passes over all
// those that stay: what has ended stays ended.
func (k *Sessions) sweep(ctx context.Context, before time.Time) (swept int64, err error) {
	rows, err := k.db.Conn(ctx).Raw(forgettable, before, sweepBatch).Rows()
	if err != nil {
		return 0, fmt.Errorf("find ended sessions: %w", err)
	}
	ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return 0, fmt.Errorf("find ended sessions: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		r := k.db.Conn(ctx).Exec("DELETE FROM sessions WHERE id IN ?", ids)
		swept = r.RowsAffected
		return r.Error
	})
	if err != nil {
		return 0, fmt.Errorf("sweep sessions: %w", err)
	}
	return swept, nil
}
