package password

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptLength = 60 // of the whole string
	bcryptInput  = 72 // bytes of a password that bcrypt reads

	// Each step doubles the time. 12 is common and takes a quarter of a second, 14 takes
	// a second, and 31 would occupy a core for a day.
	minBcryptCost = 4
	maxBcryptCost = 14
)

// bcryptHash is a hash that the former service stored.
type bcryptHash string

// parseBcrypt checks the whole format, because x/crypto ignores all bytes after the
// sixtieth and does not check the letter of the version.
func parseBcrypt(encoded string) (bcryptHash, error) {
	if len(encoded) != bcryptLength || !strings.Contains("aby", encoded[2:3]) || encoded[3] != '$' || encoded[6] != '$' {
		return "", fmt.Errorf("%w: not a bcrypt hash of the kinds 2a, 2b and 2y", errUnreadable)
	}
	for _, c := range []byte(encoded[7:]) {
		if !isBcryptBase64(c) {
			return "", fmt.Errorf("%w: bad character in a bcrypt hash", errUnreadable)
		}
	}
	cost, err := bcrypt.Cost([]byte(encoded))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if encoded[4] == '+' || cost < minBcryptCost || cost > maxBcryptCost {
		return "", fmt.Errorf("%w: bcrypt cost out of bounds", errUnreadable)
	}
	return bcryptHash(encoded), nil
}

func isBcryptBase64(c byte) bool {
	return c == '.' || c == '/' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func (b bcryptHash) matches(password string) bool {
	// bcrypt terminates its key with a NUL and repeats it, so that "a" and "a\x00a" have
	// the same hash. No stored hash is that of a password with a NUL.
	hasNUL := strings.IndexByte(password, 0) >= 0
	read := password[:min(len(password), bcryptInput)]
	err := bcrypt.CompareHashAndPassword([]byte(b), []byte(read))
	return err == nil && !hasNUL
}

func (bcryptHash) outdated(Parameters) bool { return true }

func (bcryptHash) turns() int { return 1 }
