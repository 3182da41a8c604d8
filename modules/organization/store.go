package organization

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
	db                                   *database.DB
	findSQL, mineSQL, allSQL, choicesSQL string
}

func (s *store) create(ctx context.Context, id, by uuid.UUID, name string, now time.Time) error {
	err := s.db.Later(ctx, "INSERT INTO organizations (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)", id, name, now, now)
	if err != nil {
		return fmt.Errorf("create organization: %w", err)
	}
	return s.open(ctx, id, uuid.NullUUID{UUID: by, Valid: true}, now)
}

// open begins a span of activity where none is open.
func (s *store) open(ctx context.Context, id uuid.UUID, by uuid.NullUUID, now time.Time) error {
	err := s.db.Later(ctx, `INSERT INTO organization_active_status (id, organization_id, activated_at, activated_by)
		VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, uuid.Must(uuid.NewV7()), id, now, by)
	if err != nil {
		return fmt.Errorf("activate organization: %w", err)
	}
	return nil
}

func (s *store) rename(ctx context.Context, id uuid.UUID, name string, now time.Time) error {
	err := s.db.Conn(ctx).Model(&organization{}).Where("id = ?", id).
		Updates(map[string]any{"name": name, "updated_at": now}).Error
	if err != nil {
		return fmt.Errorf("rename organization: %w", err)
	}
	return nil
}

// settle closes a suspension whose time has passed, at that time and by nobody.
func (s *store) settle(ctx context.Context, id uuid.UUID, now time.Time) error {
	err := s.db.Conn(ctx).Model(&suspension{}).
		Where("organization_id = ? AND lifted_at IS NULL AND suspended_until <= ?", id, now).
		Update("lifted_at", gorm.Expr("suspended_until")).Error
	if err != nil {
		return fmt.Errorf("settle suspension: %w", err)
	}
	return nil
}

func (s *store) suspend(ctx context.Context, id uuid.UUID, reason string, until *time.Time, by uuid.NullUUID, byOperator bool, now time.Time) error {
	if err := s.settle(ctx, id, now); err != nil {
		return err
	}
	err := s.db.Conn(ctx).Create(&suspension{
		ID: uuid.Must(uuid.NewV7()), OrganizationID: id, Reason: reason, ByPlatform: byOperator,
		SuspendedAt: now, SuspendedBy: by, SuspendedUntil: until,
	}).Error
	if database.IsDuplicate(err) {
		return errAlreadySuspended
	}
	if err != nil {
		return fmt.Errorf("suspend organization: %w", err)
	}
	return nil
}

func (s *store) liftSuspension(ctx context.Context, id uuid.UUID, by uuid.NullUUID, now time.Time) error {
	if err := s.settle(ctx, id, now); err != nil {
		return err
	}
	err := s.db.Conn(ctx).Model(&suspension{}).Where("organization_id = ? AND lifted_at IS NULL", id).
		Updates(map[string]any{"lifted_at": now, "lifted_by": by}).Error
	if err != nil {
		return fmt.Errorf("lift suspension: %w", err)
	}
	return nil
}

// archive also ends the organization's activity: archived means not active.
func (s *store) archive(ctx context.Context, id uuid.UUID, reason string, by uuid.NullUUID, now time.Time) error {
	return s.archiveAll(ctx, []ownedOrganization{{id: id}}, reason, by, now)
}

func (s *store) archiveAll(ctx context.Context, owned []ownedOrganization, reason string, by uuid.NullUUID, now time.Time) error {
	if len(owned) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(owned))
	rows := make([]archive, len(owned))
	for i, o := range owned {
		ids[i] = o.id
		rows[i] = archive{ID: uuid.Must(uuid.NewV7()), OrganizationID: o.id, Reason: reason, ArchivedAt: now, ArchivedBy: by}
	}
	err := s.db.Conn(ctx).Create(&rows).Error
	if database.IsDuplicate(err) {
		return errAlreadyArchived
	}
	if err != nil {
		return fmt.Errorf("archive organizations: %w", err)
	}
	err = s.db.Conn(ctx).Model(&activeStatus{}).Where("organization_id IN ? AND deactivated_at IS NULL", ids).
		Updates(map[string]any{"deactivated_at": now, "deactivated_by": by}).Error
	if err != nil {
		return fmt.Errorf("deactivate organizations: %w", err)
	}
	return nil
}

func (s *store) unarchive(ctx context.Context, id uuid.UUID, reason *string, by uuid.NullUUID, now time.Time) error {
	r := s.db.Conn(ctx).Model(&archive{}).Where("organization_id = ? AND restored_at IS NULL", id).
		Updates(map[string]any{"restored_at": now, "restored_by": by, "restore_reason": reason})
	if r.Error != nil {
		return fmt.Errorf("unarchive organization: %w", r.Error)
	}
	if r.RowsAffected == 0 {
		return errNotArchived
	}
	return s.open(ctx, id, by, now)
}

type ownedOrganization struct {
	id      uuid.UUID
	members int // counted no further than two
}

// lockOwned locks the organizations that a person owns and that are not
// archived, in the order of their ids, so that nobody joins one meanwhile. One at
// a time: Citus takes no lock on several shards at once.
func (s *store) lockOwned(ctx context.Context, userID uuid.UUID) ([]ownedOrganization, error) {
	rows, err := s.db.Conn(ctx).Raw(`SELECT ow.organization_id FROM organization_owners ow WHERE ow.user_id = ?
		AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = ow.organization_id AND `+access.OpenArchive("oa")+`)
		ORDER BY ow.organization_id`, userID).Rows()
	if err != nil {
		return nil, fmt.Errorf("find owned organizations: %w", err)
	}
	owned, err := database.Collect(rows, func(scan func(...any) error) (o ownedOrganization, err error) { return o, scan(&o.id) })
	if err != nil {
		return nil, fmt.Errorf("find owned organizations: %w", err)
	}
	for i, o := range owned {
		if err := s.db.Row(ctx, "SELECT o.id FROM organizations o WHERE o.id = ?"+s.db.ForUpdate(), o.id).Scan(&o.id); err != nil {
			return nil, fmt.Errorf("lock an owned organization: %w", err)
		}
		// Counted in a statement of its own, which sees what the lock waited for.
		err := s.db.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM organization_members m WHERE m.organization_id = ? LIMIT 2) first", o.id).Scan(&owned[i].members)
		if err != nil {
			return nil, fmt.Errorf("count members: %w", err)
		}
	}
	return owned, nil
}

// suspension that holds now, or nil.
func (s *store) suspension(ctx context.Context, id uuid.UUID, now time.Time) (*Suspension, error) {
	var row suspension
	err := s.db.Conn(ctx).Where("organization_id = ? AND "+access.OpenSuspension("organization_suspensions", "?"), id, now).Take(&row).Error
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find suspension: %w", err)
	}
	found := &Suspension{Reason: row.Reason, ByPlatform: row.ByPlatform, SuspendedAt: row.SuspendedAt.UTC(), SuspendedBy: row.SuspendedBy}
	if row.SuspendedUntil != nil {
		until := row.SuspendedUntil.UTC()
		found.SuspendedUntil = &until
	}
	return found, nil
}

// archived is the open archive, or nil.
func (s *store) archived(ctx context.Context, id uuid.UUID) (*Archive, error) {
	var row archive
	err := s.db.Conn(ctx).Where("organization_id = ? AND restored_at IS NULL", id).Take(&row).Error
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find archive: %w", err)
	}
	return &Archive{Reason: row.Reason, ArchivedAt: row.ArchivedAt.UTC(), ArchivedBy: row.ArchivedBy}, nil
}
