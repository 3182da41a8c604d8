// Package token signs and reads the two tokens of a session: a short-lived
// access token (RFC 9068's typ) and a refresh token. It is the only importer of
// golang-jwt.
package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"guildhall/platform/recent"
)

const (
	leeway    = 30 * time.Second // of clocks between replicas
	maxLength = 4096             // bytes
)

// ErrInvalid is every reason not to accept a token; the cause is for the log.
var ErrInvalid = errors.New("invalid token")

func invalid(cause error) error { return fmt.Errorf("%w: %w", ErrInvalid, cause) }

// Config of the service.
type Config struct {
	AccessKey, RefreshKey []byte
	// Keys that signed before: what they signed is accepted until it ends.
	RetiredAccessKeys, RetiredRefreshKeys [][]byte

	Issuer, Audience string
	AccessTTL        time.Duration
	Now              func() time.Time
}

// Service signs and reads tokens. It is safe for concurrent use.
type Service struct {
	access, refresh  kind
	issuer, audience string
	accessTTL        time.Duration
	now              func() time.Time
	parser           *jwt.Parser
	validator        *jwt.Validator
	// Access tokens that were found valid, by their digest: what a token says and
	// its signature never change. The clock is looked at each time, and whether the
	// session still holds is not the token's to say, here as elsewhere.
	seen *recent.Map[digest, Access]
}

type digest [sha256.Size]byte

// kind of token. RFC 8725 §3.11 and §3.12: one kind is never taken for another,
// by its typ and by its key.
type kind struct {
	typ    string
	keys   [][]byte // the first signs, all verify
	accept jwt.VerificationKeySet
	header string // of the tokens that sign makes, encoded
}

func newKind(typ string, key []byte, retired [][]byte) kind {
	header := fmt.Sprintf(`{"alg":%q,"typ":%q}`, jwt.SigningMethodHS256.Alg(), typ)
	k := kind{typ: typ, keys: append([][]byte{key}, retired...), header: base64.RawURLEncoding.EncodeToString([]byte(header))}
	for _, one := range k.keys {
		k.accept.Keys = append(k.accept.Keys, one)
	}
	return k
}

// New returns the service.
func New(c Config) *Service {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), // mutant: token-method
		jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience),       // mutant: token-audience
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(c.Now), jwt.WithStrictDecoding(),
	}
	return &Service{
		access:  newKind("at+jwt", c.AccessKey, c.RetiredAccessKeys),
		refresh: newKind("rt+jwt", c.RefreshKey, c.RetiredRefreshKeys),
		issuer:  c.Issuer, audience: c.Audience,
		accessTTL: c.AccessTTL, now: c.Now,
		seen:      recent.New[digest, Access](4096), // about a megabyte
		parser:    jwt.NewParser(options...),
		validator: jwt.NewValidator(options...),
	}
}

func (s *Service) sign(k kind, claims jwt.Claims) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	t.Header["typ"] = k.typ
	signed, err := t.SignedString(k.keys[0])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

type readable interface {
	jwt.Claims
	UnmarshalJSON(text []byte) error
}

func (s *Service) read(k kind, token string, claims readable) error {
	if len(token) > maxLength {
		return fmt.Errorf("longer than %d bytes", maxLength)
	}
	if strings.ContainsAny(token, "\r\n") { // which encoding/base64 skips
		return errors.New("holds a line break")
	}
	if rest, ok := strings.CutPrefix(token, k.header+"."); ok {
		return s.readOwn(k, rest, claims)
	}
	_, err := s.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != k.typ { // mutant: token-type
			return nil, fmt.Errorf("typ is not %s", k.typ)
		}
		// A critical extension is one that is not understood here (RFC 7515 §4.1.11).
		if _, ok := t.Header["crit"]; ok {
			return nil, errors.New("crit is not understood")
		}
		return k.accept, nil
	})
	return err
}

// readOwn reads a token whose header is the one that sign writes, byte for byte.
// The parser would decode it as JSON into a map, which takes a third of its time
// (BenchmarkParseAccess), and the claims before it knows that they are signed.
func (s *Service) readOwn(k kind, rest string, claims readable) error {
	payload, signature, _ := strings.Cut(rest, ".")
	sum, err := s.parser.DecodeSegment(signature)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if err := k.verify(k.header+"."+payload, sum); err != nil { // mutant: token-signature
		return err
	}
	text, err := s.parser.DecodeSegment(payload)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if err := claims.UnmarshalJSON(text); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	return s.validator.Validate(claims)
}

func (k kind) verify(signed string, sum []byte) (err error) {
	for _, key := range k.keys {
		if err = jwt.SigningMethodHS256.Verify(signed, sum, key); err == nil {
			return nil
		}
	}
	return err
}
