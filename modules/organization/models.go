package organization

import (
	"time"

	"github.com/google/uuid"
)

type organization struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (organization) TableName() string { return "organizations" }

// activeStatus is a span of time in which an organization is active; the open
// one says that it is.
type activeStatus struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	OrganizationID uuid.UUID
	ActivatedAt    time.Time
	ActivatedBy    uuid.NullUUID // nobody: the command line
	DeactivatedAt  *time.Time
	DeactivatedBy  uuid.NullUUID
}

func (activeStatus) TableName() string { return "organization_active_status" }

type suspension struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	OrganizationID uuid.UUID
	Reason         string
	ByPlatform     bool `gorm:"column:by_operator"` // a platform administrator's, which an owner can't lift
	SuspendedAt    time.Time
	SuspendedBy    uuid.NullUUID // nobody: the command line
	SuspendedUntil *time.Time
	LiftedAt       *time.Time
	LiftedBy       uuid.NullUUID // nobody, where it ended by itself or the command line lifted it
}

func (suspension) TableName() string { return "organization_suspensions" }

type archive struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	OrganizationID uuid.UUID
	Reason         string
	ArchivedAt     time.Time
	ArchivedBy     uuid.NullUUID // nobody: the command line
	RestoredAt     *time.Time
	RestoredBy     uuid.NullUUID
	RestoreReason  *string
}

func (archive) TableName() string { return "organization_archives" }
