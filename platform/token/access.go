package token

import (
	"cmp"
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

	Audience string // this service, or a registered API; none if an API key itself was presented
	ClientID string // that of a log-in, or the API key that the session is
	// Scopes, separated by spaces; none in the token of a log-in for this service, which has
	// all rights of the person.
	Scopes string

	byKey bool
}

// LogIn is the client id of the sessions of people.
const LogIn = "guildhall"

// Grant is what a new access token grants, and to whom.
type Grant struct {
	UserID         uuid.UUID
	SessionID      uuid.UUID
	OrganizationID uuid.NullUUID
	NotAfter       time.Time // the end of the session
	// Began is when the request began that asks for the token, before the rights were read that
	// it grants; zero if they can't change meanwhile. Of a slow request it is the time of issue,
	// so that a revocation is never earlier than a token that does not know of it.
	Began time.Time

	// The zero values of these are for the token of a log-in for this service.
	Audience string        // a registered API
	ClientID string        // an API key
	Scopes   string        // separated by spaces
	Role     string        // for an API that wants it
	Life     time.Duration // as configured, if it is zero
}

// slowRequest is half of what a revocation leaves for the time between the reading of rights and
// the signing (revocation.Mark).
const slowRequest = 500 * time.Millisecond

// Issue signs an access token. It expires with the session at the latest. Times are truncated
// to the second. It refuses a session that has ended and an id that is nil.
func (s *Service) Issue(g Grant) (token string, expiresAt time.Time, err error) {
	now := s.now()
	if !g.NotAfter.After(now) {
		return "", time.Time{}, errors.New("issue access token: the session has ended")
	}
	if g.UserID == uuid.Nil || g.SessionID == uuid.Nil || g.OrganizationID.Valid && g.OrganizationID.UUID == uuid.Nil {
		return "", time.Time{}, errors.New("issue access token: an id is nil")
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("issue access token: %w", err)
	}
	issued := now
	if !g.Began.IsZero() && now.Sub(g.Began) > slowRequest { // mutant: slow-request
		issued = g.Began
	}
	expires := now.Add(cmp.Or(g.Life, s.accessTTL))
	if g.NotAfter.Before(expires) {
		expires = g.NotAfter
	}

	claims := &accessClaims{
		common: common{
			Issuer:    s.issuer,
			Audience:  cmp.Or(g.Audience, s.audience),
			Subject:   g.UserID.String(),
			SessionID: g.SessionID.String(),
			ID:        id.String(),
			IssuedAt:  issued.Unix(),
			NotBefore: issued.Unix(),
			ExpiresAt: expires.Unix(),
		},
		ClientID: cmp.Or(g.ClientID, LogIn), Scope: g.Scopes, Role: g.Role,
	}
	if g.OrganizationID.Valid {
		organization := g.OrganizationID.UUID.String()
		claims.OrganizationID = &organization
	}
	if token, err = s.access.sign(claims); err != nil {
		return "", time.Time{}, err
	}
	return token, seconds(claims.ExpiresAt), nil
}

// ParseAccess verifies an access token for this service and returns its claims. It returns
// ErrInvalid for any token that is not valid.
func (s *Service) ParseAccess(token string) (Access, error) { return s.parse(s.access, token) }

// ParseForAny is ParseAccess for a token whose audience the caller checks.
func (s *Service) ParseForAny(token string) (Access, error) { return s.parse(s.anyAudience, token) }

func (s *Service) parse(k *kind, token string) (Access, error) {
	keys := k.keys.Load()
	a, err := s.parseWith(k, keys, token)
	if errors.Is(err, errUnknownKey) && s.unknownKey != nil {
		s.unknownKey()
		if now := k.keys.Load(); now != keys { // also if another request has learned them
			return s.parseWith(k, now, token)
		}
	}
	return a, err
}

func (s *Service) parseWith(k *kind, keys *keySet, token string) (Access, error) {
	key := digest(sha256.Sum256([]byte(token)))
	if a, found := keys.seen.Find(key); found && a.within(s.now()) {
		return a, nil
	}
	a, err := s.verifyAccess(k, keys, token)
	if err == nil {
		keys.seen.Keep(key, a)
	}
	return a, err
}

// within reports whether the token is valid at a time, without the parser's leeway.
func (a Access) within(now time.Time) bool {
	return now.Before(a.ExpiresAt) && !now.Before(a.IssuedAt)
}

func (s *Service) verifyAccess(k *kind, keys *keySet, token string) (Access, error) {
	var c accessClaims
	if err := s.read(k, keys, token, &c); err != nil {
		return Access{}, invalid(err)
	}
	user, session, err := c.identity()
	if err != nil {
		return Access{}, invalid(err)
	}
	if c.Audience == "" {
		return Access{}, invalid(errors.New("no aud"))
	}
	var organization uuid.NullUUID
	if c.OrganizationID != nil {
		id, err := parseID(*c.OrganizationID)
		if err != nil {
			return Access{}, invalid(errors.New("organization_id is not an id"))
		}
		organization = uuid.NullUUID{UUID: id, Valid: true}
	}
	client := cmp.Or(c.ClientID, LogIn)
	if client != LogIn && client != c.SessionID { // mutant: token-client
		return Access{}, invalid(errors.New("client_id is neither a log-in's nor the session"))
	}
	return Access{
		UserID:         user,
		SessionID:      session,
		OrganizationID: organization,
		ID:             c.ID,
		IssuedAt:       seconds(c.IssuedAt),
		ExpiresAt:      seconds(c.ExpiresAt),
		Audience:       c.Audience,
		ClientID:       client,
		Scopes:         c.Scope,
		byKey:          client != LogIn,
	}, nil
}

func seconds(s int64) time.Time { return time.Unix(s, 0).UTC() }
