package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// platformAdministrator is a person with rights beyond organizations. The command line
// writes this table, and the one request that has the set-up link of the command line.
type platformAdministrator struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	GrantedAt time.Time
}

func (platformAdministrator) TableName() string { return "platform_administrators" }

// PlatformAdmins manages the platform administrators. Only the command line changes them.
type PlatformAdmins struct {
	db    *database.DB
	trail *audit.Trail
	now   func() time.Time
}

// NewPlatformAdmins returns the platform administrators of a database.
func NewPlatformAdmins(db *database.DB, trail *audit.Trail, now func() time.Time) *PlatformAdmins {
	return &PlatformAdmins{db: db, trail: trail, now: now}
}

// Grant makes a user a platform administrator. To grant again changes nothing.
func (o *PlatformAdmins) Grant(ctx context.Context, userID uuid.UUID) error {
	return o.db.InTx(ctx, func(ctx context.Context) error {
		r := o.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).
			Create(&platformAdministrator{UserID: userID, GrantedAt: o.now()})
		if r.Error != nil || r.RowsAffected == 0 {
			return r.Error
		}
		return o.trail.Record(ctx, audit.Event{Action: audit.PlatformAdminGranted, UserID: userID})
	})
}

// Exist reports whether there is a platform administrator.
func (o *PlatformAdmins) Exist(ctx context.Context) (exist bool, err error) {
	if err := o.db.Row(ctx, "SELECT EXISTS (SELECT 1 FROM platform_administrators)").Scan(&exist); err != nil {
		return false, fmt.Errorf("find platform administrators: %w", err)
	}
	return exist, nil
}

// GrantFirst makes a user a platform administrator unless there is one, within the caller's
// transaction. It reports whether there was none.
func (o *PlatformAdmins) GrantFirst(ctx context.Context, userID uuid.UUID) (bool, error) {
	exist, err := o.Exist(database.OnPrimary(ctx))
	if err != nil || exist {
		return false, err
	}
	return true, o.Grant(ctx, userID)
}

// ErrLastPlatformAdmin is returned by Revoke for the last platform administrator whose
// account may act.
var ErrLastPlatformAdmin = errors.New("this is the last platform administrator")

// Revoke removes a platform administrator and returns whether the user was one. It refuses
// the last one whose account may act (ErrLastPlatformAdmin), unless forced.
func (o *PlatformAdmins) Revoke(ctx context.Context, userID uuid.UUID, force bool) (bool, error) {
	var gone int64
	err := o.db.InTx(ctx, func(ctx context.Context) error {
		active, err := o.lockActive(ctx)
		if err != nil {
			return err
		}
		if !force && slices.Equal(active, []uuid.UUID{userID}) {
			return ErrLastPlatformAdmin
		}
		r := o.db.Conn(ctx).Where("user_id = ?", userID).Delete(&platformAdministrator{})
		gone = r.RowsAffected
		if r.Error != nil || gone == 0 {
			return r.Error
		}
		return o.trail.Record(ctx, audit.Event{Action: audit.PlatformAdminRevoked, UserID: userID})
	})
	return gone > 0, err
}

// CheckNotLast refuses the last platform administrator whose account may act
// (ErrLastPlatformAdmin), within the transaction that ends the account.
func (o *PlatformAdmins) CheckNotLast(ctx context.Context, userID uuid.UUID) error {
	active, err := o.lockActive(ctx)
	if err == nil && slices.Equal(active, []uuid.UUID{userID}) {
		err = ErrLastPlatformAdmin
	}
	return err
}

// activePlatformAdmins finds the platform administrators whose account may act.
var activePlatformAdmins = `SELECT pa.user_id FROM platform_administrators pa
	JOIN user_active_status a ON a.user_id = pa.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL
	WHERE NOT EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = pa.user_id AND ` + OpenArchive("x") + `)
	AND NOT EXISTS (SELECT 1 FROM user_suspensions s WHERE s.user_id = pa.user_id AND s.organization_id IS NULL
		AND ` + OpenSuspension("s", "?") + `)`

// lockActive locks all platform administrators and returns those whose account may act. So
// the second of two concurrent revocations sees that only one is left.
func (o *PlatformAdmins) lockActive(ctx context.Context) (active []uuid.UUID, err error) {
	if _, err := o.ids(ctx, "SELECT user_id FROM platform_administrators ORDER BY user_id"+o.db.ForUpdate()); err != nil {
		return nil, err
	}
	return o.ids(ctx, activePlatformAdmins, o.now())
}

func (o *PlatformAdmins) ids(ctx context.Context, query string, args ...any) ([]uuid.UUID, error) {
	rows, err := o.db.Conn(ctx).Raw(query, args...).Rows()
	if err != nil {
		return nil, fmt.Errorf("find platform administrators: %w", err)
	}
	ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("find platform administrators: %w", err)
	}
	return ids, nil
}

// PlatformAdmin is a platform administrator in a list.
type PlatformAdmin struct {
	UserID    uuid.UUID `json:"user_id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	GrantedAt time.Time `json:"granted_at"`
}

// List returns all platform administrators, the earliest grant first.
func (o *PlatformAdmins) List(ctx context.Context) ([]PlatformAdmin, error) {
	rows, err := o.db.Conn(ctx).Raw(`SELECT pa.user_id, u.email, COALESCE(p.name, ''), pa.granted_at
		FROM platform_administrators pa JOIN users u ON u.id = pa.user_id LEFT JOIN user_profile p ON p.user_id = pa.user_id
		ORDER BY pa.granted_at, pa.user_id`).Rows()
	if err != nil {
		return nil, fmt.Errorf("list platform administrators: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (p PlatformAdmin, err error) {
		err = scan(&p.UserID, &p.Email, &p.Name, &p.GrantedAt)
		p.GrantedAt = p.GrantedAt.UTC()
		return p, err
	})
}

// Find returns the id of the account with a canonical email address.
func (o *PlatformAdmins) Find(ctx context.Context, canonicalEmail string) (id uuid.UUID, err error) {
	err = o.db.Row(ctx, "SELECT id FROM users WHERE email_canonical = ?", canonicalEmail).Scan(&id)
	if database.IsNotFound(err) {
		return id, ErrUserNotFound
	}
	if err != nil {
		return id, fmt.Errorf("find account: %w", err)
	}
	return id, nil
}
