// Package token signs and verifies the two tokens of a session: a short-lived access
// token (with the typ of RFC 9068) and a refresh token; and the cookie of a browser. Only this
// package imports golang-jwt.
package token

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// leeway of nbf and iat: the clock of the replica that signed may be ahead.
	leeway = 30 * time.Second
	// expiryLeeway of exp, which is truncated to the second. So a token lives as long as
	// its response promised, and less than a second longer.
	expiryLeeway = time.Second
	maxLength    = 4096 // bytes
)

// ErrInvalid is returned for every token that is not accepted. Its cause is for the log.
var ErrInvalid = errors.New("invalid token")

func invalid(cause error) error { return fmt.Errorf("%w: %w", ErrInvalid, cause) }

// Config of the service.
type Config struct {
	AccessKey, RefreshKey []byte
	// Keys that signed before the rotation: their tokens are accepted until they expire.
	RetiredAccessKeys, RetiredRefreshKeys [][]byte

	Issuer, Audience string
	AccessTTL        time.Duration
	Now              func() time.Time
}

// Service signs and verifies tokens. It is safe for concurrent use.
type Service struct {
	access, refresh, browser *kind
	anyAudience              *kind // the same tokens as access, and those for registered APIs
	issuer, audience         string
	accessTTL                time.Duration
	now                      func() time.Time
	unknownKey               func()
}

// New returns the service. Until SetAccessKeys is called, AccessKey signs access tokens.
func New(c Config) *Service {
	anyAudience := []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(c.Now), jwt.WithStrictDecoding(),
	}
	options := append(slices.Clone(anyAudience), jwt.WithAudience(c.Audience)) // mutant: token-audience
	issuer := jwt.WithIssuer(c.Issuer)
	keys := Secrets(c.AccessKey, c.RetiredAccessKeys)
	return &Service{
		access:      newKind("at+jwt", keys, append(slices.Clone(options), issuer)),     // mutant: token-issuer
		anyAudience: newKind("at+jwt", keys, append(slices.Clone(anyAudience), issuer)), // mutant: api-token-issuer
		// A session outlives a change of the issuer, and nobody but this service reads these.
		refresh: newKind("rt+jwt", Secrets(c.RefreshKey, c.RetiredRefreshKeys), options),
		browser: newKind("browser+jwt", browserKeys(c.AccessKey, c.RetiredAccessKeys), options), // mutant: cookie-key
		issuer:  c.Issuer, audience: c.Audience,
		accessTTL: c.AccessTTL, now: c.Now,
	}
}

// SetAccessKeys replaces the keys of access tokens. The first signs, and all verify.
func (s *Service) SetAccessKeys(keys []Key) {
	s.access.set(keys)
	s.anyAudience.set(keys)
}

// OnUnknownKey sets what is called for an access token that names another key: it may set
// others.
func (s *Service) OnUnknownKey(f func()) { s.unknownKey = f }

type readable interface {
	jwt.Claims
	UnmarshalJSON(text []byte) error
}

func (s *Service) read(k *kind, keys *keySet, token string, claims readable) error {
	if err := k.verify(keys, token, claims); err != nil {
		return err
	}
	// golang-jwt has one leeway for all times.
	expires, err := claims.GetExpirationTime()
	if err == nil && !s.now().Before(expires.Add(expiryLeeway)) {
		err = jwt.ErrTokenExpired
	}
	return err
}
