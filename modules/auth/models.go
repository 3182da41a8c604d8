package auth

import (
	"time"

	"github.com/google/uuid"
)

// session is what a refresh token and its access tokens depend on: they are valid only
// while it is live. It has one current generation of refresh tokens.
type session struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	OrganizationID uuid.NullUUID // the active one
	Generation     int64
	CreatedAt      time.Time
	RotatedAt      time.Time // when the current generation began
	ExpiresAt      time.Time
	Address        string // of its last use
	Client         string
	RevokedAt      *time.Time
	RevokedReason  *string
}

func (session) TableName() string { return "sessions" }
