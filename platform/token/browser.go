package token

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// newBrowserKind returns the kind of a browser's cookie. Its keys are derived from those of
// access tokens (RFC 5869), so that neither is ever accepted as the other.
func newBrowserKind(key []byte, retired [][]byte) kind {
	keys := make([][]byte, 0, 1+len(retired))
	for _, k := range append([][]byte{key}, retired...) {
		derived, err := hkdf.Key(sha256.New, k, nil, "guildhall browser session", sha256.Size)
		if err != nil { // only for a length that SHA-256 can't provide
			panic(err)
		}
		keys = append(keys, derived)
	}
	return newKind("browser+jwt", keys[0], keys[1:]) // mutant: cookie-key
}

// IssueBrowser signs the value of a browser's cookie: it names a session, which is looked up
// for each request.
func (s *Service) IssueBrowser(userID, sessionID uuid.UUID, expires time.Time) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("issue browser session: %w", err)
	}
	now := s.now()
	return s.sign(s.browser, &accessClaims{common: common{
		Issuer: s.issuer, Audience: s.audience, Subject: userID.String(), SessionID: sessionID.String(),
		ID: id.String(), IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: expires.Unix(),
	}})
}

// ParseBrowser verifies the value of a browser's cookie. It returns ErrInvalid for any that
// is not valid.
func (s *Service) ParseBrowser(cookie string) (Access, error) {
	var c accessClaims
	if err := s.read(s.browser, cookie, &c); err != nil {
		return Access{}, invalid(err)
	}
	user, session, err := c.identity()
	if err != nil {
		return Access{}, invalid(err)
	}
	return Access{UserID: user, SessionID: session, ID: c.ID, IssuedAt: seconds(c.IssuedAt), ExpiresAt: seconds(c.ExpiresAt)}, nil
}
