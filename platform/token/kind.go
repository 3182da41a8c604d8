package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"

	"guildhall/platform/recent"
)

// The algorithms of access tokens (RFC 7518 §3.1).
const (
	HS256 = "HS256"
	ES256 = "ES256"
	RS256 = "RS256"
)

// Algorithms are those that a key of access tokens may have.
var Algorithms = []string{ES256, RS256, HS256}

// Key signs and verifies tokens.
type Key struct {
	ID        string // kid; none for a secret of the configuration
	Algorithm string
	Private   any // []byte for HS256, *ecdsa.PrivateKey or *rsa.PrivateKey; nil if it only verifies
	Public    any // []byte for HS256, *ecdsa.PublicKey or *rsa.PublicKey
}

// Secret returns the key of a secret.
func Secret(secret []byte) Key { return Key{Algorithm: HS256, Private: secret, Public: secret} }

// Secrets returns the keys of a secret, which signs, and of retired ones.
func Secrets(secret []byte, retired [][]byte) []Key {
	keys := []Key{Secret(secret)}
	for _, s := range retired {
		keys = append(keys, Secret(s))
	}
	return keys
}

func (k Key) same(other Key) bool {
	a, isSecret := k.Public.([]byte)
	b, _ := other.Public.([]byte)
	return k.ID == other.ID && k.Algorithm == other.Algorithm && (k.Private == nil) == (other.Private == nil) && (!isSecret || slices.Equal(a, b))
}

// errUnknownKey means that a token names a key that is none of this kind.
var errUnknownKey = errors.New("no such key")

// kind is a kind of token. Its typ and its keys ensure that one kind is never accepted as
// another (RFC 8725 §3.11, §3.12).
type kind struct {
	typ       string
	keys      atomic.Pointer[keySet]
	parser    *jwt.Parser
	validator *jwt.Validator
}

// keySet are the keys of a kind at one time.
type keySet struct {
	keys     []Key // the first signs, all verify
	byHeader map[string][]Key
	// seen caches valid access tokens by their digest: the claims and the signature of a
	// token never change. Its times are checked on each use. Whether the session is still
	// live is checked elsewhere. It belongs to the keys: once a key is gone, so are its tokens.
	seen *recent.Map[digest, Access]
}

type digest [sha256.Size]byte

// seenTokens is how many tokens seen has in each of two generations. 20,000 people who ask in
// turn are all remembered: to verify a signature of ES256 costs more than the rest of a request.
// Full, it takes about 10 MB.
const seenTokens = 20_480

func newKind(typ string, keys []Key, options []jwt.ParserOption) *kind {
	k := &kind{typ: typ, parser: jwt.NewParser(options...), validator: jwt.NewValidator(options...)}
	k.set(keys)
	return k
}

func (k *kind) set(keys []Key) {
	if now := k.keys.Load(); now != nil && slices.EqualFunc(now.keys, keys, Key.same) {
		return
	}
	set := &keySet{keys: keys, byHeader: map[string][]Key{}, seen: recent.New[digest, Access](seenTokens)}
	for _, one := range keys {
		text, err := json.Marshal(k.header(one))
		if err != nil {
			panic(err) // strings always encode
		}
		header := base64.RawURLEncoding.EncodeToString(text)
		set.byHeader[header] = append(set.byHeader[header], one)
	}
	k.keys.Store(set)
}

// header is that of the tokens that sign returns.
func (k *kind) header(key Key) map[string]any {
	header := map[string]any{"alg": key.Algorithm, "typ": k.typ}
	if key.ID != "" {
		header["kid"] = key.ID
	}
	return header
}

func (k *kind) sign(claims jwt.Claims) (string, error) {
	keys := k.keys.Load().keys
	if len(keys) == 0 {
		return "", errors.New("sign a token: there is no key yet")
	}
	key := keys[0]
	t := jwt.NewWithClaims(jwt.GetSigningMethod(key.Algorithm), claims)
	t.Header = k.header(key)
	signed, err := t.SignedString(key.Private)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

func (k *kind) verify(set *keySet, token string, claims readable) error {
	if len(token) > maxLength {
		return fmt.Errorf("longer than %d bytes", maxLength)
	}
	if strings.ContainsAny(token, "\r\n") { // encoding/base64 skips them
		return errors.New("contains a line break")
	}
	header, rest, _ := strings.Cut(token, ".")
	if keys, own := set.byHeader[header]; own {
		return k.verifyOwn(keys, header, rest, claims)
	}
	_, err := k.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != k.typ { // mutant: token-type
			return nil, fmt.Errorf("typ is not %s", k.typ)
		}
		// No critical extension is supported (RFC 7515 §4.1.11).
		if _, ok := t.Header["crit"]; ok {
			return nil, errors.New("crit is not supported")
		}
		return set.named(t.Header["kid"], t.Method.Alg())
	})
	return err
}

// named returns the keys that a header names. The algorithm is the key's, never the token's
// choice (RFC 8725 §3.1).
func (set *keySet) named(kid any, algorithm string) (accept jwt.VerificationKeySet, err error) {
	id, isText := kid.(string)
	if kid != nil && (!isText || id == "") {
		return accept, errors.New("kid is not a name")
	}
	for _, key := range set.keys {
		if key.ID == id && key.Algorithm == algorithm { // mutant: token-method
			accept.Keys = append(accept.Keys, key.Public)
		}
	}
	if len(accept.Keys) == 0 {
		return accept, errUnknownKey
	}
	return accept, nil
}

// verifyOwn reads a token whose header is exactly one that sign writes. The parser would
// decode the header as JSON into a map, which takes a third of its time
// (BenchmarkParseAccess), and would decode the claims before it verifies the signature.
func (k *kind) verifyOwn(keys []Key, header, rest string, claims readable) error {
	payload, signature, _ := strings.Cut(rest, ".")
	sum, err := k.parser.DecodeSegment(signature)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if err := verifySignature(keys, header+"."+payload, sum); err != nil { // mutant: token-signature
		return err
	}
	text, err := k.parser.DecodeSegment(payload)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if err := claims.UnmarshalJSON(text); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	return k.validator.Validate(claims)
}

func verifySignature(keys []Key, signed string, sum []byte) (err error) {
	for _, key := range keys {
		if err = jwt.GetSigningMethod(key.Algorithm).Verify(signed, sum, key.Public); err == nil {
			return nil
		}
	}
	return err
}
