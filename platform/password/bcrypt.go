package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
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

// bcryptHash is a hash that the former service stored, or another system. Some hash
// something else than the password.
type bcryptHash struct {
	encoded string
	input   func(password string) string
}

// The kinds of bcrypt hashes, by what is before the hash itself.
const (
	wordPressPrefix    = "$wp"            // of WordPress 6.8, which writes this itself
	bcryptSHA256Prefix = "$bcrypt-sha256" // of Django's BCryptSHA256PasswordHasher
	bcryptPepperPrefix = "$bcrypt-pepper$k="
)

func parseBcryptKind(encoded string, keys Keys) (storedHash, error) {
	input := func(password string) string { return password }
	if rest, ok := strings.CutPrefix(encoded, wordPressPrefix); ok {
		encoded, input = rest, wordPressInput
	} else if rest, ok := strings.CutPrefix(encoded, bcryptSHA256Prefix); ok {
		encoded, input = rest, func(password string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(password))) }
	} else if rest, ok := strings.CutPrefix(encoded, bcryptPepperPrefix); ok {
		name, rest, _ := strings.Cut(rest, "$")
		pepper, err := keys.find(name)
		if err != nil {
			return nil, err
		}
		encoded, input = "$"+rest, func(password string) string { return password + pepper }
	}
	b, err := parseBcrypt(encoded)
	b.input = input
	return b, err
}

func wordPressInput(password string) string {
	mac := hmac.New(sha512.New384, []byte("wp-sha384"))
	mac.Write([]byte(password))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseBcrypt checks the whole format, because x/crypto ignores all bytes after the
// sixtieth and does not check the letter of the version.
func parseBcrypt(encoded string) (bcryptHash, error) {
	if len(encoded) != bcryptLength || encoded[:2] != "$2" || !strings.Contains("aby", encoded[2:3]) || encoded[3] != '$' || encoded[6] != '$' {
		return bcryptHash{}, fmt.Errorf("%w: not a bcrypt hash of the kinds 2a, 2b and 2y", errUnreadable)
	}
	for _, c := range []byte(encoded[7:]) {
		if !isBcryptBase64(c) {
			return bcryptHash{}, fmt.Errorf("%w: bad character in a bcrypt hash", errUnreadable)
		}
	}
	cost, err := bcrypt.Cost([]byte(encoded))
	if err != nil {
		return bcryptHash{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if encoded[4] == '+' || cost < minBcryptCost || cost > maxBcryptCost {
		return bcryptHash{}, fmt.Errorf("%w: bcrypt cost out of bounds", errUnreadable)
	}
	return bcryptHash{encoded: encoded}, nil
}

func isBcryptBase64(c byte) bool {
	return c == '.' || c == '/' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func (b bcryptHash) matches(password string) bool {
	// bcrypt terminates its key with a NUL and repeats it, so that "a" and "a\x00a" have
	// the same hash. No stored hash is that of a password with a NUL.
	hasNUL := strings.IndexByte(password, 0) >= 0
	read := b.input(password)
	read = read[:min(len(read), bcryptInput)]
	err := bcrypt.CompareHashAndPassword([]byte(b.encoded), []byte(read))
	return err == nil && !hasNUL
}

func (bcryptHash) outdated(Parameters) bool { return true }

func (bcryptHash) turns() int { return 1 }
