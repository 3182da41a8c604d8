package auth

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// LiveKey is an API key that works, for an operator who restored a backup.
type LiveKey struct {
	ID           uuid.UUID `json:"id"`
	Hint         string    `json:"hint"`
	Name         string    `json:"name"`
	Holder       string    `json:"holder"`       // their email address
	Organization string    `json:"organization"` // its name; empty for the key of a registered API
}

const liveKeys = " FROM sessions s WHERE s.kind = 'key' AND s.revoked_at IS NULL AND s.expires_at > ?"

// LiveKeys returns the API keys in the database that have not ended.
func (k *Sessions) LiveKeys(ctx context.Context) ([]LiveKey, error) {
	rows, err := k.db.Conn(ctx).Raw(`SELECT s.id, s.hint, s.name, (SELECT u.email FROM users u WHERE u.id = s.user_id),
		COALESCE((SELECT o.name FROM organizations o WHERE o.id = s.organization_id), '')`+liveKeys+" ORDER BY s.id", k.now()).Rows()
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (l LiveKey, err error) {
		return l, scan(&l.ID, &l.Hint, &l.Name, &l.Holder, &l.Organization)
	})
}

// EndKeys ends the API keys of a person, within the caller's transaction: somebody else may
// have made them.
func (k *Sessions) EndKeys(ctx context.Context, userID uuid.UUID, reason string) error {
	rows, err := k.db.Rows(ctx, "UPDATE sessions SET revoked_at = ?, revoked_reason = ? WHERE user_id = ? AND kind = 'key' AND revoked_at IS NULL RETURNING id", k.now(), reason, userID)
	if err != nil {
		return fmt.Errorf("end the API keys of a person: %w", err)
	}
	ended, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return fmt.Errorf("end the API keys of a person: %w", err)
	}
	if len(ended) == 0 {
		return nil
	}
	return k.trail.Record(ctx, audit.Event{
		Action: audit.SessionEnded, UserID: userID, Details: map[string]string{"reason": reason, "api_keys": strconv.Itoa(len(ended))}, Sessions: ended,
	})
}

// EndAllKeys ends every API key in the database after a restore: the backup does not know
// which of them were revoked since.
func (k *Sessions) EndAllKeys(ctx context.Context) error {
	err := k.db.InTx(ctx, func(ctx context.Context) error {
		_, err := k.db.Exec(ctx, "UPDATE sessions SET revoked_at = ?, revoked_reason = 'restored' WHERE kind = 'key' AND revoked_at IS NULL", k.now())
		return err
	})
	if err != nil {
		return fmt.Errorf("end all API keys: %w", err)
	}
	return nil
}
