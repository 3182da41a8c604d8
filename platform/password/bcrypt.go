package password

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptLength = 60 // of the whole string
	bcryptInput  = 72 // bytes of a password that bcrypt reads

	// Each step doubles the time; 12 is common and takes a quarter of a second,
	// 14 a second. 31 would hold a core for a day.
	minBcryptCost = 4
	maxBcryptCost = 14
)

// bcryptHash is one that the former service wrote.
type bcryptHash string

// parseBcrypt checks the whole shape, because x/crypto ignores what follows
// the sixtieth byte and does not look at the version's letter.
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
	// bcrypt ends its key with a NUL and repeats it, so that "a" and "a\x00a"
	// are the same to it. No hash was ever made of a password with a NUL.
	hasNUL := strings.IndexByte(password, 0) >= 0
	read := password[:min(len(password), bcryptInput)]
	err := bcrypt.CompareHashAndPassword([]byte(b), []byte(read))
	return err == nil && !hasNUL
}

func (bcryptHash) outdated(Parameters) bool { return true }

func (bcryptHash) turns() int { return 1 }
