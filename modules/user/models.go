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

	EmailVerifiedAt *time.Time // when the person proved that the address is theirs
	Locale          *string    // the language of mails to them
	TermsAt         *time.Time // the UpdatedAt whose terms are stored
	ExternalID      *string    // the id in the system that the person was imported from
}

func (user) TableName() string { return "users" }

type profile struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	Name      string
	Bio       *string
	AvatarURL *string
}

func (profile) TableName() string { return "user_profile" }
