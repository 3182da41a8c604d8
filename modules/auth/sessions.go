package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

// Sessions keeps the sessions' rows. Other modules may end somebody's.
type Sessions struct {
	db  *database.DB
	now func() time.Time
}

// NewSessions returns the sessions' rows.
func NewSessions(db *database.DB, now func() time.Time) *Sessions { return &Sessions{db: db, now: now} }

// EndAll ends every session of a person, within the caller's transaction if
// there is one.
func (k *Sessions) EndAll(ctx context.Context, userID uuid.UUID, reason string) error {
	return k.revoke(ctx, reason, "user_id = ?", userID)
}

func (k *Sessions) endOthers(ctx context.Context, userID, kept uuid.UUID, reason string) error {
	return k.revoke(ctx, reason, "user_id = ? AND id <> ?", userID, kept)
}

func (k *Sessions) end(ctx context.Context, id uuid.UUID, reason string) error {
	return k.revoke(ctx, reason, "id = ?", id)
}

func (k *Sessions) revoke(ctx context.Context, reason, which string, args ...any) error {
	err := k.db.InTx(ctx, func(ctx context.Context) error {
		return k.db.Conn(ctx).Model(&session{}).Where(which, args...).Where("revoked_at IS NULL").
			Updates(map[string]any{"revoked_at": k.now(), "revoked_reason": reason}).Error
	})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

func (k *Sessions) begin(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID, lifetime time.Duration) (session, error) {
	now := k.now()
	s := session{
		ID: uuid.Must(uuid.NewV7()), UserID: userID, OrganizationID: organizationID,
		Generation: 1, CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(lifetime),
	}
	if err := k.db.Conn(ctx).Create(&s).Error; err != nil {
		return s, fmt.Errorf("begin session: %w", err)
	}
	return s, nil
}

// advance makes the next generation the live one, if the given one still is;
// nil if not. The database decides, so that of many at once one wins.
func (k *Sessions) advance(ctx context.Context, id, userID uuid.UUID, generation int64) (*session, error) {
	now := k.now()
	r := k.db.Conn(ctx).Model(&session{}).
		Where("id = ? AND user_id = ? AND generation = ? AND revoked_at IS NULL AND expires_at > ?", id, userID, generation, now).
		Updates(map[string]any{"generation": generation + 1, "rotated_at": now})
	if r.Error != nil {
		return nil, fmt.Errorf("advance session: %w", r.Error)
	}
	if r.RowsAffected == 0 {
		return nil, nil
	}
	return k.live(ctx, id, userID)
}

// live is a session that has neither ended nor expired, or nil.
func (k *Sessions) live(ctx context.Context, id, userID uuid.UUID) (*session, error) {
	var s session
	err := k.db.Conn(ctx).Where("id = ? AND user_id = ? AND revoked_at IS NULL AND expires_at > ?", id, userID, k.now()).Take(&s).Error
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	s.RotatedAt, s.ExpiresAt = s.RotatedAt.UTC(), s.ExpiresAt.UTC()
	return &s, nil
}

// enter changes the active organization. It moves the generation on as well:
// an access token alone must not be worth a second refresh token.
func (k *Sessions) enter(ctx context.Context, id, organizationID uuid.UUID, rotate bool) (session, error) {
	changes := map[string]any{"organization_id": organizationID}
	if rotate {
		changes["generation"] = gorm.Expr("generation + 1")
		changes["rotated_at"] = k.now()
	}
	conn := k.db.Conn(ctx)
	r := conn.Model(&session{}).Where("id = ? AND revoked_at IS NULL", id).Updates(changes)
	if r.Error != nil {
		return session{}, fmt.Errorf("switch organization: %w", r.Error)
	}
	if r.RowsAffected == 0 {
		return session{}, access.ErrInvalidToken
	}
	var s session
	if err := conn.Where("id = ?", id).Take(&s).Error; err != nil {
		return session{}, fmt.Errorf("find session: %w", err)
	}
	s.RotatedAt, s.ExpiresAt = s.RotatedAt.UTC(), s.ExpiresAt.UTC()
	return s, nil
}

func (k *Sessions) forgetOrganization(ctx context.Context, id uuid.UUID) error {
	err := k.db.Conn(ctx).Model(&session{}).Where("id = ?", id).Update("organization_id", nil).Error
	if err != nil {
		return fmt.Errorf("forget organization: %w", err)
	}
	return nil
}
