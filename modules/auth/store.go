package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

type store struct{ db *database.DB }

// person is what a log-in needs of somebody.
type person struct {
	id          uuid.UUID
	email, name string
	hash        string
}

const personQuery = `SELECT u.id, u.email, p.name, h.password_hash FROM users u
	JOIN user_profile p ON p.user_id = u.id
	JOIN user_login_password h ON h.user_id = u.id WHERE `

// findByEmail returns nil where there is no such account.
func (s *store) findByEmail(ctx context.Context, canonicalEmail string) (*person, error) {
	p, err := s.one(ctx, personQuery+"u.email_canonical = ?", canonicalEmail)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return &p, nil
}

func (s *store) find(ctx context.Context, id uuid.UUID) (person, error) {
	p, err := s.one(ctx, personQuery+"u.id = ?", id)
	if database.IsNotFound(err) {
		return p, access.ErrUserNotFound
	}
	if err != nil {
		return p, fmt.Errorf("find account: %w", err)
	}
	return p, nil
}

func (s *store) one(ctx context.Context, query string, key any) (p person, err error) {
	return p, s.db.Row(ctx, query, key).Scan(&p.id, &p.email, &p.name, &p.hash)
}

func (s *store) hash(ctx context.Context, userID uuid.UUID) (hash string, err error) {
	err = s.db.Row(ctx, "SELECT password_hash FROM user_login_password WHERE user_id = ?", userID).Scan(&hash)
	if err != nil {
		return "", fmt.Errorf("read password hash: %w", err)
	}
	return hash, nil
}

func (s *store) savePassword(ctx context.Context, userID uuid.UUID, hash string, now time.Time) error {
	err := s.db.Conn(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "user_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"password_hash", "updated_at"}),
	}).Create(&loginPassword{UserID: userID, PasswordHash: hash, UpdatedAt: now}).Error
	if err != nil {
		return fmt.Errorf("save password: %w", err)
	}
	return nil
}

// preferredOrganization is the last one used, else the first joined, of those
// in which the person may act; none otherwise.
func (s *store) preferredOrganization(ctx context.Context, userID uuid.UUID, now time.Time) (id uuid.NullUUID, err error) {
	err = s.db.Row(ctx, `SELECT m.organization_id
		FROM (SELECT `+s.db.Param("uuid")+` AS user_id, `+s.db.Param("timestamptz")+` AS now) k
		JOIN organization_members m ON m.user_id = k.user_id
		JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
		WHERE NOT EXISTS (SELECT 1 FROM user_suspensions ms WHERE ms.user_id = m.user_id AND ms.organization_id = m.organization_id
			AND ms.lifted_at IS NULL AND (ms.suspended_until IS NULL OR ms.suspended_until > k.now))
		AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = m.organization_id AND oa.restored_at IS NULL)
		AND NOT EXISTS (SELECT 1 FROM organization_suspensions os WHERE os.organization_id = m.organization_id
			AND os.lifted_at IS NULL AND (os.suspended_until IS NULL OR os.suspended_until > k.now))
		ORDER BY CASE WHEN m.organization_id = (SELECT s.organization_id FROM sessions s
			WHERE s.user_id = k.user_id AND s.organization_id IS NOT NULL ORDER BY s.rotated_at DESC LIMIT 1) THEN 0 ELSE 1 END,
			m.joined_at, m.organization_id
		LIMIT 1`, userID, now).Scan(&id)
	if database.IsNotFound(err) {
		return uuid.NullUUID{}, nil
	}
	if err != nil {
		return uuid.NullUUID{}, fmt.Errorf("choose an organization: %w", err)
	}
	return id, nil
}

// recentAddresses are those that the sessions of an account were last used from.
func (s *store) recentAddresses(ctx context.Context, canonicalEmail string) ([]string, error) {
	rows, err := s.db.Conn(ctx).Raw(`SELECT s.address FROM users u JOIN sessions s ON s.user_id = u.id
		WHERE u.email_canonical = ? ORDER BY s.rotated_at DESC LIMIT 100`, canonicalEmail).Rows()
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (a string, err error) { return a, scan(&a) })
}
