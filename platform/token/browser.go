package token

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// browserKeys returns the keys of browsers' cookies. They are derived from those of access
// tokens (RFC 5869), so that neither is ever accepted as the other.
func browserKeys(secret []byte, retired [][]byte) (keys []Key) {
	for _, s := range append([][]byte{secret}, retired...) {
		derived, err := hkdf.Key(sha256.New, s, nil, "guildhall browser session", sha256.Size)
		if err != nil { // only for a length that SHA-256 can't provide
			panic(err)
		}
		keys = append(keys, Secret(derived))
	}
	return keys
}

// IssueBrowser signs the value of a browser's cookie: it names a session, which is looked up
// for each request.
func (s *Service) IssueBrowser(userID, sessionID uuid.UUID, expires time.Time) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("issue browser session: %w", err)
	}
	now := s.now()
	return s.browser.sign(&accessClaims{common: common{
		Issuer: s.issuer, Audience: s.audience, Subject: userID.String(), SessionID: sessionID.String(),
		ID: id.String(), IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: expires.Unix(),
	}})
}

// ParseBrowser verifies the value of a browser's cookie. It returns ErrInvalid for any that
// is not valid.
func (s *Service) ParseBrowser(cookie string) (Access, error) {
	var c accessClaims
	if err := s.read(s.browser, s.browser.keys.Load(), cookie, &c); err != nil {
		return Access{}, invalid(err)
	}
	user, session, err := c.identity()
	if err != nil {
		return Access{}, invalid(err)
	}
	return Access{UserID: user, SessionID: session, ID: c.ID, IssuedAt: seconds(c.IssuedAt), ExpiresAt: seconds(c.ExpiresAt)}, nil
}
