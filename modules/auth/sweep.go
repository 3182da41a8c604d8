package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// sweepBatch is how many sessions are deleted at once.
const sweepBatch = 500

// endedSessions selects sessions to delete: those that were revoked, or else expired,
// before a time. It keeps each person's last log-in and their last one with an
// organization, which shows the organization that they used last. It keeps no API key.
// mutant: last-session
// mutant: revoked-session-retention
const endedSessions = `SELECT s.id FROM sessions s WHERE COALESCE(s.revoked_at, s.expires_at) < ?
	AND (s.kind = 'key' OR EXISTS (SELECT 1 FROM sessions later WHERE later.user_id = s.user_id AND later.kind = 'log_in' AND later.rotated_at > s.rotated_at
		AND (later.organization_id IS NOT NULL OR s.organization_id IS NULL)))
	LIMIT ?`

// sweep implements schema.Sweep.
func (m *Module) sweep(ctx context.Context) (int64, error) {
	return m.sessions.sweep(ctx, m.now().Add(-m.options.SessionRetention))
}

// sweep deletes a batch of the sessions that ended before a time. It selects them outside
// of the transaction, so that no other transaction waits while it skips all those that
// stay. An ended session stays ended.
func (k *Sessions) sweep(ctx context.Context, before time.Time) (swept int64, err error) {
	rows, err := k.db.Conn(ctx).Raw(endedSessions, before, sweepBatch).Rows()
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

// sweepChallenges deletes a batch of the challenges that expired a day ago.
func (m *Module) sweepChallenges(ctx context.Context) (swept int64, err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		swept, err = m.db.Exec(ctx, "DELETE FROM challenges WHERE id IN (SELECT id FROM challenges WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
			m.now().Add(-24*time.Hour), sweepBatch)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep challenges: %w", err)
	}
	return swept, nil
}
