// Package token signs and verifies the two tokens of a session: a short-lived access
// token (with the typ of RFC 9068) and a refresh token; and the cookie of a browser. Only this package imports
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
	access, refresh  kind
	browser          kind
	issuer, audience string
	accessTTL        time.Duration
	now              func() time.Time
	parser           *jwt.Parser
	validator        *jwt.Validator
	// seen caches valid access tokens by their digest: the claims and the signature of a
	// token never change. Its times are checked on each use. Whether the session is still
	// live is checked elsewhere.
	seen *recent.Map[digest, Access]
}

type digest [sha256.Size]byte

// kind is a kind of token. Its typ and its key ensure that one kind is never accepted as
// another (RFC 8725 §3.11, §3.12).
type kind struct {
	typ    string
	keys   [][]byte // the first signs, all verify
	accept jwt.VerificationKeySet
	header string // of the tokens that sign returns, encoded
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
		browser: newBrowserKind(c.AccessKey, c.RetiredAccessKeys),
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
	if err := s.verify(k, token, claims); err != nil {
		return err
	}
	// golang-jwt has one leeway for all times.
	expires, err := claims.GetExpirationTime()
	if err == nil && !s.now().Before(expires.Add(expiryLeeway)) {
		err = jwt.ErrTokenExpired
	}
	return err
}

func (s *Service) verify(k kind, token string, claims readable) error {
	if len(token) > maxLength {
		return fmt.Errorf("longer than %d bytes", maxLength)
	}
	if strings.ContainsAny(token, "\r\n") { // encoding/base64 skips them
		return errors.New("contains a line break")
	}
	if rest, ok := strings.CutPrefix(token, k.header+"."); ok {
		return s.verifyOwn(k, rest, claims)
	}
	_, err := s.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != k.typ { // mutant: token-type
			return nil, fmt.Errorf("typ is not %s", k.typ)
		}
		// No critical extension is supported (RFC 7515 §4.1.11).
		if _, ok := t.Header["crit"]; ok {
			return nil, errors.New("crit is not supported")
		}
		return k.accept, nil
	})
	return err
}

// verifyOwn reads a token whose header is exactly the one that sign writes. The parser
// would decode the header as JSON into a map, which takes a third of its time
// (BenchmarkParseAccess), and would decode the claims before it verifies the signature.
func (s *Service) verifyOwn(k kind, rest string, claims readable) error {
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
