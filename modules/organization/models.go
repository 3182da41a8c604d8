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
