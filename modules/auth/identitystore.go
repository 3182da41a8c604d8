package auth

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// linked is a row of user_identities: a person at a provider, who may log in to an account here.
type linked struct {
	id       uuid.UUID
	provider string
	email    string // at the provider, when it was linked; for the person to recognize
	since    time.Time
	lastUsed sql.NullTime
}

// identities returns those of a person, the oldest first.
func (s *store) identities(ctx context.Context, userID uuid.UUID) ([]linked, error) {
	rows, err := s.db.Rows(database.OnPrimary(ctx), "SELECT id, provider, email, linked_at, last_used_at FROM user_identities WHERE user_id = ? ORDER BY linked_at, id", userID)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (l linked, err error) {
		return l, scan(&l.id, &l.provider, &l.email, &l.since, &l.lastUsed)
	})
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return list, nil
}

// accountOf returns the account that an identity is linked to. An unknown one has none.
func (s *store) accountOf(ctx context.Context, i identity) (userID uuid.NullUUID, err error) {
	err = s.db.Row(database.OnPrimary(ctx), "SELECT user_id FROM user_identities WHERE issuer = ? AND subject = ?", i.Issuer, i.Subject).Scan(&userID)
	if err != nil && !database.IsNotFound(err) {
		return userID, fmt.Errorf("find an identity: %w", err)
	}
	return userID, nil
}

// addIdentity stores an identity. It returns false if an account has it already.
func (s *store) addIdentity(ctx context.Context, userID uuid.UUID, l linked, i identity) (bool, error) {
	n, err := s.db.Exec(ctx, `INSERT INTO user_identities (user_id, id, issuer, subject, provider, email, linked_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (issuer, subject) DO NOTHING`, userID, l.id, i.Issuer, i.Subject, l.provider, l.email, l.since)
	if err != nil {
		return false, fmt.Errorf("store an identity: %w", err)
	}
	return n > 0, nil
}

// useIdentity keeps when an identity was used. It returns false if the person has it no longer.
func (s *store) useIdentity(ctx context.Context, userID uuid.UUID, i identity, now time.Time) (bool, error) {
	n, err := s.db.Exec(ctx, "UPDATE user_identities SET last_used_at = ? WHERE user_id = ? AND issuer = ? AND subject = ?", now, userID, i.Issuer, i.Subject)
	if err != nil {
		return false, fmt.Errorf("use an identity: %w", err)
	}
	return n > 0, nil
}

func (s *store) removeIdentity(ctx context.Context, userID, id uuid.UUID) error {
	if err := s.db.Queue(ctx, "DELETE FROM user_identities WHERE user_id = ? AND id = ?", userID, id); err != nil {
		return fmt.Errorf("remove an identity: %w", err)
	}
	return nil
}

// removeIdentitiesSince removes the identities of a person that were linked since a time.
func (s *store) removeIdentitiesSince(ctx context.Context, userID uuid.UUID, since time.Time) error {
	if err := s.db.Queue(ctx, "DELETE FROM user_identities WHERE user_id = ? AND linked_at >= ?", userID, since); err != nil {
		return fmt.Errorf("remove identities: %w", err)
	}
	return nil
}
