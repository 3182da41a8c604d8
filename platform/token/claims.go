package token

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// latest is the last second of the year 9999. Later times can't be formatted, and much
// later ones overflow time.Unix.
const latest = 253402300799

// common holds the claims that both kinds of token have (RFC 7519 §4.1, and sid). All
// are required. Times are whole seconds.
type common struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	SessionID string `json:"sid"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	ExpiresAt int64  `json:"exp"`
}

func (c common) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c common) GetSubject() (string, error)                  { return c.Subject, nil }
func (c common) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }
func (c common) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt) }
func (c common) GetNotBefore() (*jwt.NumericDate, error)      { return date(c.NotBefore) }
func (c common) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.ExpiresAt) }
func (c common) identity() (user, session uuid.UUID, err error) {
	if c.ID == "" {
		return uuid.Nil, uuid.Nil, errors.New("no jti")
	}
	if c.Issuer == "" { // a kind of token may have any other
		return uuid.Nil, uuid.Nil, errors.New("no iss")
	}
	if user, err = parseID(c.Subject); err != nil {
		return uuid.Nil, uuid.Nil, errors.New("sub is not an id")
	}
	if session, err = parseID(c.SessionID); err != nil {
		return uuid.Nil, uuid.Nil, errors.New("sid is not an id")
	}
	return user, session, nil
}

// accessClaims and refreshClaims have an UnmarshalJSON because encoding/json, which
// golang-jwt uses, accepts the last of a repeated claim and ignores the case of its name.
// Unknown claims are ignored (RFC 7519 §4), so that replicas of two versions can run
// side by side.
type accessClaims struct {
	common
	OrganizationID *string `json:"organization_id,omitempty"`
	ClientID       string  `json:"client_id,omitempty"` // none in tokens of earlier releases
	Scope          string  `json:"scope,omitempty"`
	Role           string  `json:"role,omitempty"`
}

func (c *accessClaims) UnmarshalJSON(text []byte) error {
	type plain accessClaims
	return json.Unmarshal(text, (*plain)(c))
}

type refreshClaims struct {
	common
	Generation *int64 `json:"generation"`
}

func (c *refreshClaims) UnmarshalJSON(text []byte) error {
	type plain refreshClaims
	return json.Unmarshal(text, (*plain)(c))
}

func date(seconds int64) (*jwt.NumericDate, error) {
	if seconds <= 0 || seconds > latest {
		return nil, errors.New("a time is missing or out of range")
	}
	return &jwt.NumericDate{Time: time.Unix(seconds, 0)}, nil
}

// parseID accepts only the canonical form; uuid.Parse accepts several others.
func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, err
	}
	if id == uuid.Nil || id.String() != s {
		return uuid.Nil, errors.New("not a canonical id")
	}
	return id, nil
}
