package token

import (
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Refresh holds the claims of a valid refresh token. The token is accepted only while
// its generation is the current one in the session's row.
type Refresh struct {
	UserID     uuid.UUID
	SessionID  uuid.UUID
	Generation int64
	ID         string // of the token itself (jti): session and generation
	IssuedAt   time.Time
	ExpiresAt  time.Time
}

// IssueRefresh signs the refresh token of one generation of a session. The same
// arguments always give the same string, so that a client that lost the response can get
// the same token again although it was not stored. Times are truncated to the second;
// the clock is not read. It refuses a nil id, a generation below 1, and an expiry that
// is not after the issue.
func (s *Service) IssueRefresh(userID, sessionID uuid.UUID, generation int64, issuedAt, expiresAt time.Time) (string, error) {
	if userID == uuid.Nil || sessionID == uuid.Nil {
		return "", errors.New("issue refresh token: an id is nil")
	}
	if generation < 1 {
		return "", errors.New("issue refresh token: the generation is not positive")
	}
	if !expiresAt.After(issuedAt) {
		return "", errors.New("issue refresh token: it expires before it is issued")
	}
	session := sessionID.String()
	return s.refresh.sign(&refreshClaims{
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

// ParseRefresh verifies a refresh token and returns its claims. It returns ErrInvalid for
// any token that is not valid.
func (s *Service) ParseRefresh(token string) (Refresh, error) {
	var c refreshClaims
	if err := s.read(s.refresh, s.refresh.keys.Load(), token, &c); err != nil {
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
