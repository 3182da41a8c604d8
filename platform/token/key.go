package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/google/uuid"
)

// An API key is PREFIX_key_, a secret of 256 random bits, and a checksum of everything before
// it, both in base62. It has no dot, so it is never taken for a JWT. A scanner finds it by
// [a-z][a-z0-9]{1,14}_key_[0-9A-Za-z]{49}.
const (
	keyMark        = "_key_"
	keySecret      = 43 // characters of 256 bits
	keyChecksum    = 6  // characters of 32 bits
	keyHint        = 4  // characters of the secret that lists show
	minKeyPrefix   = 2
	maxKeyPrefix   = 15
	base62Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// KeyHash is what is stored of an API key. A secret of 256 bits can't be guessed, so a fast
// hash is enough.
type KeyHash [sha256.Size]byte

// String returns the hash in hexadecimal, as it is stored.
func (h KeyHash) String() string { return hex.EncodeToString(h[:]) }

// NewKey returns a new API key, and its beginning, by which people recognize it in a list.
func NewKey(prefix string) (key, hint string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	key = prefix + keyMark + base62(new(big.Int).SetBytes(b[:]), keySecret)
	return key + checksum(key), key[:len(key)-keySecret+keyHint]
}

// ParseKey returns the hash of an API key. It returns false for a text that is none, or whose
// checksum is wrong: a mistyped or guessed key costs no query.
func ParseKey(text string) (KeyHash, bool) {
	prefix, rest, found := strings.Cut(text, keyMark)
	if !found || len(rest) != keySecret+keyChecksum || !IsKeyPrefix(prefix) {
		return KeyHash{}, false
	}
	signed := text[:len(text)-keyChecksum]
	if text[len(signed):] != checksum(signed) { // mutant: key-checksum
		return KeyHash{}, false
	}
	return KeyHash(sha256.Sum256([]byte(text))), true
}

// IsKeyPrefix reports whether a text can begin an API key: a lower-case letter and 1 to 14
// lower-case letters or digits. Prefixes that begin with gh are GitHub's.
func IsKeyPrefix(s string) bool {
	if len(s) < minKeyPrefix || len(s) > maxKeyPrefix || strings.HasPrefix(s, "gh") || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// checksum returns the CRC-32 of the text. It differs for any two texts of which one has one
// other character.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var digits [keyChecksum]byte
	for i := keyChecksum - 1; i >= 0; i-- {
		digits[i] = base62Alphabet[sum%uint32(len(base62Alphabet))]
		sum /= uint32(len(base62Alphabet))
	}
	return string(digits[:])
}

func base62(n *big.Int, digits int) string {
	text := make([]byte, digits)
	base, digit := big.NewInt(int64(len(base62Alphabet))), new(big.Int)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		text[i] = base62Alphabet[digit.Int64()]
	}
	return string(text)
}

// The scopes of an API key. Its power is the holder's role now, within its scopes.
const (
	ScopeRead   = "read"   // reads what the role may read in the organization
	ScopeManage = "manage" // everything else that the role may do there
	ScopeAPI    = "api"    // of a registered API's own key: checks tokens for that API
)

// OfKey returns the claims of an API key, which stands for a session of its holder. Whether
// that is live is checked for each request, as for a token. The key of a registered API acts
// in no organization.
func OfKey(userID, id uuid.UUID, organizationID uuid.NullUUID, scopes string) Access {
	return Access{UserID: userID, SessionID: id, OrganizationID: organizationID, ClientID: id.String(), Scopes: scopes, byKey: true}
}

// IsKey reports whether the session is an API key, presented by its secret or by a token that
// was got with it.
func (a Access) IsKey() bool { return a.byKey }

// BySecret reports whether the session is an API key, presented by its secret.
func (a Access) BySecret() bool { return a.byKey && a.Audience == "" }

// HasScope reports whether it has a scope.
func (a Access) HasScope(scope string) bool {
	for s := range strings.SplitSeq(a.Scopes, " ") {
		if s == scope {
			return true
		}
	}
	return false
}
