package user

import (
	"time"

	"github.com/google/uuid"
)

type user struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	Email          string    // as given
	EmailCanonical string    // as compared
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

func (user) TableName() string { return "users" }

type profile struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	Name      string
	Bio       *string
	AvatarURL *string
}

func (profile) TableName() string { return "user_profile" }

// activeStatus is a span of time in which somebody is active; the open one says
// that they are. Without an organization it is about the account.
type activeStatus struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	OrganizationID uuid.NullUUID
	ActivatedAt    time.Time
	ActivatedBy    uuid.NullUUID
	DeactivatedAt  *time.Time
	DeactivatedBy  uuid.NullUUID
}

func (activeStatus) TableName() string { return "user_active_status" }

type suspension struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	OrganizationID uuid.NullUUID
	Reason         string
	SuspendedAt    time.Time
	SuspendedBy    uuid.NullUUID // nobody: the command line
	SuspendedUntil *time.Time
	LiftedAt       *time.Time
	LiftedBy       uuid.NullUUID // nobody, where it ended by itself or the command line lifted it
}

func (suspension) TableName() string { return "user_suspensions" }

type archive struct {
	ID            uuid.UUID `gorm:"primaryKey"`
	UserID        uuid.UUID
	Reason        string
	ArchivedAt    time.Time
	ArchivedBy    uuid.NullUUID // nobody: the command line
	RestoredAt    *time.Time
	RestoredBy    uuid.NullUUID
	RestoreReason *string
}

func (archive) TableName() string { return "user_archives" }
