package membership

import (
	"time"

	"github.com/google/uuid"
)

type member struct {
	OrganizationID uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID `gorm:"primaryKey"`
	JoinedAt       time.Time
	Searchable     bool // their terms are stored
}

func (member) TableName() string { return "organization_members" }

type admin struct {
	OrganizationID uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID `gorm:"primaryKey"`
	GrantedAt      time.Time
	GrantedBy      uuid.NullUUID // NULL: the command line
}

func (admin) TableName() string { return "organization_admins" }

type owner struct {
	OrganizationID uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	Since          time.Time
}

func (owner) TableName() string { return "organization_owners" }
