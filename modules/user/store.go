package user

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

type store struct {
	db                        *database.DB
	findSQL, allSQL, pagedSQL string
}

func (s *store) create(ctx context.Context, email, canonical, name string, now time.Time) (uuid.UUID, error) {
	id := uuid.Must(uuid.NewV7())
	_, err := s.db.Exec(ctx, "INSERT INTO users (id, email, email_canonical, created_at, updated_at) VALUES (?, ?, ?, ?, ?)", id, email, canonical, now, now)
	if database.IsDuplicate(err) {
		return uuid.Nil, errEmailTaken
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("create user: %w", err)
	}
	if err := s.db.Later(ctx, "INSERT INTO user_profile (user_id, name) VALUES (?, ?)", id, name); err != nil {
		return uuid.Nil, fmt.Errorf("create profile: %w", err)
	}
	return id, s.activate(ctx, subject{userID: id}, uuid.NullUUID{}, now)
}

func (s *store) welcome(ctx context.Context, userID, organizationID uuid.UUID, now time.Time) error {
	err := s.db.Later(ctx, `INSERT INTO user_active_status (id, user_id, organization_id, activated_at)
		SELECT `+s.db.Param("uuid")+`, k.user_id, k.organization_id, `+s.db.Param("timestamptz")+`
		FROM (SELECT `+s.db.Param("uuid")+` AS user_id, `+s.db.Param("uuid")+` AS organization_id) k
		WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = k.user_id AND a.organization_id = k.organization_id)`,
		uuid.Must(uuid.NewV7()), now, userID, organizationID)
	if err != nil {
		return fmt.Errorf("welcome user: %w", err)
	}
	return nil
}

func (s *store) updateProfile(ctx context.Context, id uuid.UUID, changes map[string]any, now time.Time) error {
	if err := s.db.Conn(ctx).Model(&profile{}).Where("user_id = ?", id).Updates(changes).Error; err != nil {
		return fmt.Errorf("update profile: %w", err)
	}
	return s.touch(ctx, id, now)
}

func (s *store) touch(ctx context.Context, id uuid.UUID, now time.Time) error {
	if err := s.db.Conn(ctx).Model(&user{}).Where("id = ?", id).Update("updated_at", now).Error; err != nil {
		return fmt.Errorf("touch user: %w", err)
	}
	return nil
}

// of narrows a query to one scope: the account or one organization.
func of(s subject) func(*gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		if s.isAccount() {
			return tx.Where("user_id = ? AND organization_id IS NULL", s.userID)
		}
		return tx.Where("organization_id = ? AND user_id = ?", s.organizationID.UUID, s.userID)
	}
}

// activate opens a span of activity where none is open.
func (s *store) activate(ctx context.Context, sub subject, by uuid.NullUUID, now time.Time) error {
	err := s.db.Later(ctx, `INSERT INTO user_active_status (id, user_id, organization_id, activated_at, activated_by)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		uuid.Must(uuid.NewV7()), sub.userID, sub.organizationID, now, by)
	if err != nil {
		return fmt.Errorf("activate user: %w", err)
	}
	return nil
}

func (s *store) deactivate(ctx context.Context, sub subject, by uuid.NullUUID, now time.Time) error {
	err := s.db.Conn(ctx).Model(&activeStatus{}).Scopes(of(sub)).Where("deactivated_at IS NULL").
		Updates(map[string]any{"deactivated_at": now, "deactivated_by": by}).Error
	if err != nil {
		return fmt.Errorf("deactivate user: %w", err)
	}
	return nil
}

// settle closes a suspension whose time has passed, at that time and by nobody,
// so that what is open is what holds.
func (s *store) settle(ctx context.Context, sub subject, now time.Time) error {
	err := s.db.Conn(ctx).Model(&suspension{}).Scopes(of(sub)).
		Where("lifted_at IS NULL AND suspended_until <= ?", now).
		Update("lifted_at", gorm.Expr("suspended_until")).Error
	if err != nil {
		return fmt.Errorf("settle suspension: %w", err)
	}
	return nil
}

func (s *store) suspend(ctx context.Context, sub subject, reason string, until *time.Time, by uuid.NullUUID, now time.Time) error {
	if err := s.settle(ctx, sub, now); err != nil {
		return err
	}
	err := s.db.Conn(ctx).Create(&suspension{
		ID: uuid.Must(uuid.NewV7()), UserID: sub.userID, OrganizationID: sub.organizationID,
		Reason: reason, SuspendedAt: now, SuspendedBy: by, SuspendedUntil: until,
	}).Error
	if database.IsDuplicate(err) {
		return errAlreadySuspended
	}
	if err != nil {
		return fmt.Errorf("suspend user: %w", err)
	}
	return nil
}

func (s *store) liftSuspension(ctx context.Context, sub subject, by uuid.NullUUID, now time.Time) error {
	if err := s.settle(ctx, sub, now); err != nil {
		return err
	}
	err := s.db.Conn(ctx).Model(&suspension{}).Scopes(of(sub)).Where("lifted_at IS NULL").
		Updates(map[string]any{"lifted_at": now, "lifted_by": by}).Error
	if err != nil {
		return fmt.Errorf("lift suspension: %w", err)
	}
	return nil
}

// archive also ends the account's activity: archived means not active.
func (s *store) archive(ctx context.Context, id uuid.UUID, reason string, by uuid.NullUUID, now time.Time) error {
	err := s.db.Conn(ctx).Create(&archive{
		ID: uuid.Must(uuid.NewV7()), UserID: id, Reason: reason, ArchivedAt: now, ArchivedBy: by,
	}).Error
	if database.IsDuplicate(err) {
		return errAlreadyArchived
	}
	if err != nil {
		return fmt.Errorf("archive user: %w", err)
	}
	return s.deactivate(ctx, subject{userID: id}, by, now)
}

func (s *store) unarchive(ctx context.Context, id uuid.UUID, reason *string, by uuid.NullUUID, now time.Time) error {
	r := s.db.Conn(ctx).Model(&archive{}).Where("user_id = ? AND restored_at IS NULL", id).
		Updates(map[string]any{"restored_at": now, "restored_by": by, "restore_reason": reason})
	if r.Error != nil {
		return fmt.Errorf("unarchive user: %w", r.Error)
	}
	if r.RowsAffected == 0 {
		return errNotArchived
	}
	return s.activate(ctx, subject{userID: id}, by, now)
}

// suspension that holds now in a scope, or nil.
func (s *store) suspension(ctx context.Context, sub subject, now time.Time) (*Suspension, error) {
	var row suspension
	err := s.db.Conn(ctx).Scopes(of(sub)).Where(access.OpenSuspension("user_suspensions", "?"), now).Take(&row).Error
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find suspension: %w", err)
	}
	return &Suspension{Reason: row.Reason, SuspendedAt: row.SuspendedAt.UTC(), SuspendedBy: row.SuspendedBy, SuspendedUntil: utc(row.SuspendedUntil)}, nil
}

// archived is the open archive of an account, or nil.
func (s *store) archived(ctx context.Context, id uuid.UUID) (*Archive, error) {
	var row archive
	err := s.db.Conn(ctx).Where("user_id = ? AND restored_at IS NULL", id).Take(&row).Error
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find archive: %w", err)
	}
	return &Archive{Reason: row.Reason, ArchivedAt: row.ArchivedAt.UTC(), ArchivedBy: row.ArchivedBy}, nil
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
