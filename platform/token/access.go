package token

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Access holds the claims of a valid access token.
type Access struct {
	UserID         uuid.UUID
	SessionID      uuid.UUID
	OrganizationID uuid.NullUUID // the active organization, if any
	ID             string        // of the token itself (jti)
	IssuedAt       time.Time
	ExpiresAt      time.Time
}

// IssueAccess signs an access token with the configured lifetime, which never exceeds
// notAfter, the end of the session. Times are truncated to the second. It refuses a
// session that has ended and an id that is nil.
func (s *Service) IssueAccess(userID, sessionID uuid.UUID, organizationID uuid.NullUUID, notAfter time.Time) (token string, expiresAt time.Time, err error) {
	now := s.now()
	if !notAfter.After(now) {
		return "", time.Time{}, errors.New("issue access token: the session has ended")
	}
	if userID == uuid.Nil || sessionID == uuid.Nil || organizationID.Valid && organizationID.UUID == uuid.Nil {
		return "", time.Time{}, errors.New("issue access token: an id is nil")
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("issue access token: %w", err)
	}
	expires := now.Add(s.accessTTL)
	if notAfter.Before(expires) {
		expires = notAfter
	}

	claims := &accessClaims{common: common{
		Issuer:    s.issuer,
		Audience:  s.audience,
		Subject:   userID.String(),
		SessionID: sessionID.String(),
		ID:        id.String(),
		IssuedAt:  now.Unix(),
		NotBefore: now.Unix(),
		ExpiresAt: expires.Unix(),
	}}
	if organizationID.Valid {
		organization := organizationID.UUID.String()
		claims.OrganizationID = &organization
	}
	if token, err = s.sign(s.access, claims); err != nil {
		return "", time.Time{}, err
	}
	return token, seconds(claims.ExpiresAt), nil
}

// ParseAccess verifies an access token and returns its claims. It returns ErrInvalid for
// any token that is not valid.
func (s *Service) ParseAccess(token string) (Access, error) {
	key := digest(sha256.Sum256([]byte(token)))
	if a, found := s.seen.Find(key); found && a.within(s.now()) {
		return a, nil
	}
	a, err := s.parseAccess(token)
	if err == nil {
		s.seen.Keep(key, a)
	}
	return a, err
}

// within reports whether the token is valid at a time, without the parser's leeway.
func (a Access) within(now time.Time) bool {
	return now.Before(a.ExpiresAt) && !now.Before(a.IssuedAt)
}

func (s *Service) parseAccess(token string) (Access, error) {
	var c accessClaims
	if err := s.read(s.access, token, &c); err != nil {
		return Access{}, invalid(err)
	}
	user, session, err := c.identity()
	if err != nil {
		return Access{}, invalid(err)
	}
	var organization uuid.NullUUID
	if c.OrganizationID != nil {
		id, err := parseID(*c.OrganizationID)
		if err != nil {
			return Access{}, invalid(errors.New("organization_id is not an id"))
		}
		organization = uuid.NullUUID{UUID: id, Valid: true}
	}
	return Access{
		UserID:         user,
		SessionID:      session,
		OrganizationID: organization,
		ID:             c.ID,
		IssuedAt:       seconds(c.IssuedAt),
		ExpiresAt:      seconds(c.ExpiresAt),
	}, nil
}

func seconds(s int64) time.Time { return time.Unix(s, 0).UTC() }
