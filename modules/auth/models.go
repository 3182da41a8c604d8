package auth

import (
	"time"

	"github.com/google/uuid"
)

// session is the authority of a refresh token and of the access tokens issued
// with it. Of its refresh tokens one generation is live.
type session struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	OrganizationID uuid.NullUUID // the active one
	Generation     int64
	CreatedAt      time.Time
	RotatedAt      time.Time // when the live generation began
	ExpiresAt      time.Time
	Address        string // of whoever used it last
	Client         string
	RevokedAt      *time.Time
	RevokedReason  *string
}

func (session) TableName() string { return "sessions" }
