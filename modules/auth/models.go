package auth

import (
	"strconv"
	"time"

	"github.com/google/uuid"
)

// session is what a refresh token and its access tokens depend on: they are valid only
// while it is live. It has one current generation of refresh tokens.
//
// A log-in begins one session. A switch to another organization begins a branch of the
// log-in: a session with its own refresh tokens, so that each tab of a browser can stay in
// its organization. The sessions of a log-in end together, but a new password keeps the one
// that chose it.
type session struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	LoginID        uuid.NullUUID `gorm:"column:login_id"` // of a branch: the session that the log-in began
	OrganizationID uuid.NullUUID // the active one
	Generation     int64
	Superseded     string // see supersededAt
	CreatedAt      time.Time
	RotatedAt      time.Time // when the current generation began, or a later use of the first one
	ExpiresAt      time.Time
	Address        string // of its last use
	Client         string
	RevokedAt      *time.Time
	RevokedReason  *string
	// The columns kind, name, hint, scopes, secret_hash and created_by are of API keys, which
	// modules/machine makes. A key is a session whose kind is not log_in.

	AMR             methods    `gorm:"column:amr"` // what the person proved
	AAL             int        `gorm:"column:aal"` // the assurance of that (NIST SP 800-63B)
	AuthenticatedAt *time.Time // when they proved it last; nil in a session of an earlier release
}

func (session) TableName() string { return "sessions" }

// login returns the id of the log-in, which is that of its first session.
func (s *session) login() uuid.UUID {
	if s.LoginID.Valid {
		return s.LoginID.UUID
	}
	return s.ID
}

// authenticatedAt returns when the person proved who they are last.
func (s *session) authenticatedAt() *time.Time {
	if s.AuthenticatedAt == nil {
		return &s.CreatedAt
	}
	return s.AuthenticatedAt
}

// issuedAt returns when the current generation began.
func (s *session) issuedAt() time.Time {
	if s.Generation == 1 {
		return s.CreatedAt
	}
	return s.RotatedAt
}

// momentDigits is the length of an entry of session.Superseded. It is enough until 2286.
const momentDigits = 13

func momentEntry(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// supersededAt returns when an earlier generation was superseded, or the zero time if that
// is no longer known. The previous generation was superseded when the current one began.
// Superseded has the times of the generations before the current one, the newest first, in
// milliseconds.
//
// A release without that column rotates without adding an entry. The entries after it then
// belong to older generations than it seems, so the times are too early and never too late.
func (s *session) supersededAt(generation int64) time.Time {
	age := s.Generation - generation
	if age == 1 {
		return s.RotatedAt
	}
	if age < 1 || age > int64(len(s.Superseded)/momentDigits) {
		return time.Time{}
	}
	entry := s.Superseded[(age-1)*momentDigits : age*momentDigits]
	milliseconds, err := strconv.ParseInt(entry, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds)
}
