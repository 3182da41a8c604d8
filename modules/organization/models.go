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
	TermsAt   *time.Time // the UpdatedAt whose terms are stored

	ExternalID *string // the id in the system that the organization was imported from
}

func (organization) TableName() string { return "organizations" }
