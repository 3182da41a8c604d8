package token

import (
	"crypto/ecdsa"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ClientSecret is a token with which this service says to another one who it is, where that wants
// no constant secret.
type ClientSecret struct {
	KeyID                     string
	Issuer, Subject, Audience string
	IssuedAt, ExpiresAt       time.Time
}

// Sign signs it with a key of P-256 (ES256).
func (s ClientSecret) Sign(key *ecdsa.PrivateKey) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: s.Issuer, Subject: s.Subject, Audience: jwt.ClaimStrings{s.Audience},
		IssuedAt: jwt.NewNumericDate(s.IssuedAt), ExpiresAt: jwt.NewNumericDate(s.ExpiresAt),
	})
	t.Header["kid"] = s.KeyID
	return t.SignedString(key)
}
