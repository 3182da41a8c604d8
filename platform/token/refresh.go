package token

import (
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Refresh is what a valid refresh token says. It has authority only while the
// session's row says that this generation is the live one.
type Refresh struct {
	UserID     uuid.UUID
	SessionID  uuid.UUID
	Generation int64
	ID         string // of the token itself (jti): session and generation
	IssuedAt   time.Time
	ExpiresAt  time.Time
}

// IssueRefresh signs the refresh token of one generation of a session. The same
// arguments always give the same string, so that a client that lost the answer
// can be given it again without its having been stored. Times are cut to the
// second; the clock is not asked.
func (s *Service) IssueRefresh(userID, sessionID uuid.UUID, generation int64, issuedAt, expiresAt time.Time) (string, error) {
	if userID == uuid.Nil || sessionID == uuid.Nil {
		return "", errors.New("issue refresh token: an id is nil")
	}
	if generation < 1 {
		return "", errors.New("issue refresh token: there is no such generation")
	}
	if !expiresAt.After(issuedAt) {
		return "", errors.New("issue refresh token: it ends before it begins")
	}
	session := sessionID.String()
	return s.sign(s.refresh, &refreshClaims{
		common: common{
			Issuer:    s.issuer,
			Audience:  s.audience,
			Subject:   userID.String(),
			SessionID: session,
			ID:        session + "." + strconv.FormatInt(generation, 10),
			IssuedAt:  issuedAt.Unix(),
			NotBefore: issuedAt.Unix(),
			ExpiresAt: expiresAt.Unix(),
		},
		Generation: &generation,
	})
}

// ParseRefresh reads a refresh token. Whatever is wrong with it, the error is
// ErrInvalid.
func (s *Service) ParseRefresh(token string) (Refresh, error) {
	var c refreshClaims
	if err := s.read(s.refresh, token, &c); err != nil {
		return Refresh{}, invalid(err)
	}
	user, session, err := c.identity()
	if err != nil {
		return Refresh{}, invalid(err)
	}
	if c.Generation == nil || *c.Generation < 1 {
		return Refresh{}, invalid(errors.New("no generation"))
	}
	return Refresh{
		UserID:     user,
		SessionID:  session,
		Generation: *c.Generation,
		ID:         c.ID,
		IssuedAt:   seconds(c.IssuedAt),
		ExpiresAt:  seconds(c.ExpiresAt),
	}, nil
}
